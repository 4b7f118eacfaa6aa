// SPDX-License-Identifier: MIT
// What a code generator hands over: machine code that some process translated, to be placed and run in this
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "engine/engine.hpp"

namespace ebpf::engine {

/// What an 8-byte little-endian field of the code is to hold when it is placed.
enum class RelocationKind : std::uint8_t {
    MapHandle,    ///< MapBinding::handle of map `index`
    MapValue,     ///< MapBinding::value_address of map `index`, plus addend
    MapLookup,    ///< MapBinding::lookup of map `index`
    Helper,       ///< HelperBinding::function of helper number `index`
    PacketBytes,  ///< address of engine::packet_bytes()
    Function,     ///< address of byte `addend` of the code, where function `index` of the program starts that
                  ///< helpers call back; it is called as a HelperFunction is, with r5 being 0
};

struct Relocation {
    std::uint32_t offset = 0;  ///< of the field, in bytes from the code's start
    RelocationKind kind = RelocationKind::MapHandle;
    std::uint32_t index = 0;
    std::uint64_t addend = 0;
};

/// Machine code for this host. Its first byte is a function with the host's C calling convention,
/// `std::uint64_t run(const Image&, Invocation&)`, that may be entered on any number of threads at once.
/// A tail call that succeeds returns from it with Invocation::tail_target set (see engine::run()).
struct MachineCode {
    std::span<const std::byte> code;
    std::span<const Relocation> relocations;
};

/// Returns what the relocation's field is to hold in code that runs at `code`. Errors: NotFound - a map or
/// helper that is not bound; Malformed - an unknown kind, or a function outside the code. Threads: any.
StatusOr<std::uint64_t> resolve(const Relocation& relocation, std::span<const std::byte> code,
                                const Bindings& bindings) noexcept;

/// Copies the code into memory of its own, fills in the relocations, and makes it executable; at no time is
/// it writable and executable. Bytes that trap follow it and inaccessible pages surround it. Image::code is
/// the placed code, Image::kind Jit. Free it with image->destroy(image).
/// Requires: a code generator of this project made `code` from a verified program.
/// Errors: NotFound - a map or helper that is not bound; Malformed - a relocation outside the code or of no
///   kind; InvalidArgument - no code; NoPermission - the host does not allow executable memory; NotSupported
///   - it has none; OutOfMemory. Threads: any.
StatusOr<Image*> place(const MachineCode& code, const Bindings& bindings) noexcept;

}  // namespace ebpf::engine
