// SPDX-License-Identifier: MIT
// The engines that vectors and random programs are run on, by name.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "engine/engine.hpp"
#include "isa/instruction.hpp"
#include "spec/programs.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::vectors {

struct DestroyImage {
    void operator()(engine::Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<engine::Image, DestroyImage>;

/// A program as engines get it. Lifetime: what it refers to must outlive the images made of it.
struct EngineProgram {
    const isa::Code* code = nullptr;                 ///< lowered
    std::span<const std::byte> bytecode;             ///< before lowering
    std::span<const verifier::AccessKind> accesses;  ///< the verifier's; all None if it was not asked
    spec::ProgramType type = spec::ProgramType::Unspecified;
    engine::Bindings bindings;
};

/// Why an engine did not make an image.
struct EngineRefusal {
    Status status = Status::Ok;
    std::optional<std::uint32_t> slot;  ///< nothing: the engine does not say where
    std::string text;
};

using Compiled = std::expected<OwnedImage, EngineRefusal>;

/// An engine of the list: how lowered programs become images.
struct Engine {
    const char* name;
    /// Makes images of all programs at once, as some engines are cheaper that way; one result each.
    /// nullptr: the engine is not in this build.
    std::vector<Compiled> (*compile)(std::span<const EngineProgram> programs);
    const char* missing;  ///< what this build lacks for it; nullptr if compile is there
};

/// Returns every engine that the project knows; those that this build lacks, too. Threads: any.
std::span<const Engine> engines() noexcept;

/// Returns the engine of this name, or nullptr.
const Engine* find_engine(std::string_view name) noexcept;

/// Returns the engine that every build has and that others are compared with.
const Engine& interpreter() noexcept;

}  // namespace ebpf::vectors
