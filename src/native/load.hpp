// SPDX-License-Identifier: MIT
// Native images: a shared library made from generate()'s C, loaded, checked and bound.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.hpp"
#include "ebpf/native.h"
#include "engine/engine.hpp"
#include "native/generate.hpp"
#include "platform/hash.hpp"
#include "platform/library.hpp"

namespace ebpf::native {

/// A loaded library whose table is of this build's version and sizes. Programs that were bound keep it
/// loaded. Threads: any, for every member.
class ImageLibrary {
  public:
    /// Loads a copy of `bytes` and checks the table; see platform::load_library(). Who may
    /// hand in an image decides the caller. Errors: NotSupported - it needs what images may not; Malformed -
    /// no library of this host, or without a table; Truncated; VersionMismatch - the table's version
    ///   or sizes; Environment.
    static Result<std::shared_ptr<const ImageLibrary>> load(std::span<const std::byte> bytes);
    ~ImageLibrary() { platform::unload_library(library_); }
    ImageLibrary(const ImageLibrary&) = delete;
    ImageLibrary& operator=(const ImageLibrary&) = delete;

    [[nodiscard]] std::span<const ebpf_native_program> programs() const {
        return {table_->programs, table_->program_count};
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    /// Returns the program whose code was made from what `hash` covers.
    /// Errors: Rejected - there is none; the message says whether one has the name.
    [[nodiscard]] Result<const ebpf_native_program*> find(std::string_view name,
                                                          const platform::Sha256& hash) const;

  private:
    ImageLibrary(platform::Library* library, std::size_t bytes) : library_(library), bytes_(bytes) {}
    Result<void> check_table() const;

    platform::Library* library_;
    const ebpf_native_table* table_ = nullptr;
    std::size_t bytes_;
};

/// Binds `program` of `library`: the result's run is the program's entry. Free it with image->destroy(image),
/// which unloads the library with the last one. Requires: the hash of `program` is that of the verified
/// program, its maps are `bindings`' in order. Errors, in Fault: NotFound - a helper, map, or a map's lookup
/// that is not bound; NotSupported - a map without a value
///   at a known address; Malformed - maps or bindings of the table contradict `bindings`; OutOfMemory.
std::expected<engine::Image*, Fault> bind(std::shared_ptr<const ImageLibrary> library,
                                          const ebpf_native_program& program,
                                          const engine::Bindings& bindings);

/// Makes an Error of a Fault.
Error to_error(const Fault& fault);

}  // namespace ebpf::native
