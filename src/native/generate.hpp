// SPDX-License-Identifier: MIT
// Bytecode to C: a translation unit with a table (include/ebpf/native.h) that any C compiler makes an image
// of.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "isa/instruction.hpp"
#include "platform/hash.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::native {

struct MapInput {
    std::string name;
    spec::MapShape shape;
};

/// A program to translate.
struct ProgramInput {
    std::string name;
    std::string section;
    spec::ProgramType type = spec::ProgramType::Unspecified;
    std::uint32_t attach_type = 0;
    std::uint64_t memory_length = 0;
    const isa::Code* code = nullptr;  ///< lowered; must outlive this
    /// By slot, as the verifier found them; empty if it was not asked: then memory is taken to be this
    /// thread's.
    std::vector<verifier::AccessKind> accesses;
    std::vector<MapInput> maps;  ///< by index
    std::vector<verifier::SourceLine> lines;
    std::vector<verifier::Subprogram> subprograms;
    std::vector<std::byte> tag;
    platform::Sha256 hash{};  ///< native::identify()'s
};

/// Why a program cannot be translated.
struct Fault {
    std::size_t program = 0;  ///< index
    Status status = Status::Ok;
    std::uint32_t slot = 0;
    std::string message;  ///< names instruction and reason
};

/// Returns C11 with the extensions that gcc and clang share, which needs include/ebpf/native_operations.h and
/// gives no warning with -Wall -Wextra. One function a subprogram; the table lists the programs in the order
/// given. `source` says what they were made from. Requires: the code is decoded; only that of a program that
/// the verifier accepted is safe to run. Errors, in Fault: as interp::compile()'s, but for helpers and values
/// of maps, which are bound when the image is
///   loaded; NotSupported - also a tail call out of a subprogram. Threads: any. Cost: linear.
std::expected<std::string, Fault> generate(std::span<const ProgramInput* const> programs,
                                           std::string_view source);

}  // namespace ebpf::native
