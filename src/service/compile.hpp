// SPDX-License-Identifier: MIT
// Step `compile` of a program's way in: the choice of the engine. Inside the service only.
#pragma once

#include <memory>
#include <span>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "isa/instruction.hpp"
#include "service/code_policy.hpp"
#include "service/notes.hpp"
#include "spec/engines.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::service {

struct DestroyImage {
    void operator()(engine::Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<engine::Image, DestroyImage>;

struct CompileInput {
    const isa::Code& code;                           ///< lowered
    std::span<const verifier::AccessKind> accesses;  ///< of the report that accepted it
    engine::Bindings bindings;
    spec::Engine engine = spec::Engine::Auto;
    CodePolicy policy{};
};

struct Compiled {
    OwnedImage image;
    MachineNote note;  ///< empty unless the image has machine code to show
};

/// Makes an image with the chosen engine. Auto: the JIT where this build has it for this host and the host
/// allows executable memory, else the interpreter.
/// Errors: NotSupported - an engine that this build has not, or an instruction that engines never see;
/// NoPermission - code integrity, or the host allows no executable memory; those of the engines, with text.
Result<Compiled> compile(const CompileInput& input);

/// Returns what `image` counts as in requests.
spec::Engine engine_of(const engine::Image& image);

}  // namespace ebpf::service
