// SPDX-License-Identifier: MIT
// A long program's way up from the interpreter, on which it starts, to the JIT. Inside the service only.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.hpp"
#include "isa/instruction.hpp"
#include "runtime/context.hpp"
#include "service/service.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::service {

/// A published program and what the JIT needs to translate it.
struct Climber {
    runtime::Ref<runtime::ProgramObject> program;  ///< keeps it and its maps while the translation runs
    isa::Code code;                                ///< lowered
    std::vector<verifier::AccessKind> accesses;
    std::vector<engine::MapBinding> maps;
    std::span<const engine::HelperBinding> helpers;  ///< which stay as long as the service
};

/// Whether there is a thread for it and room among those that wait; otherwise a program is translated before
/// it is published.
bool has_way_up(Service& service);

/// Translates on a thread of the service's own; the program runs the result from then on. One that the JIT
/// refuses stays where it is.
void move_up_later(Service& service, Climber climber);

}  // namespace ebpf::service
