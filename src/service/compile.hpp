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

/// Programs with more instruction slots than this start on the interpreter, whose image takes some 0.1 us a
/// slot to make, and move up when the JIT, which takes tens of times as long, is done: until here it takes
/// about a millisecond, less than the verifier's process.
inline constexpr std::size_t kMostSlotsTranslatedAtOnce = 512;

/// Whether `input` asks for the JIT, but is long enough to start on the interpreter.
bool starts_on_interpreter(const CompileInput& input);

/// Makes an image with the JIT. Errors: as compile().
Result<Compiled> translate(const CompileInput& input);

/// Makes an image with the chosen engine. Auto: the JIT where this build has it for this host and the host
/// allows executable memory, else the interpreter.
/// Errors: NotSupported - an engine that this build has not, or an instruction that engines never see;
/// NoPermission - code integrity, or the host allows no executable memory; those of the engines, with text.
Result<Compiled> compile(const CompileInput& input);

/// Returns what `image` counts as in requests.
spec::Engine engine_of(const engine::Image& image);

}  // namespace ebpf::service
