// SPDX-License-Identifier: MIT
// The interpreter: lowered instructions in, an engine::Image out. How it runs them: interp/op.hpp,
// handlers.hpp.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "engine/engine.hpp"
#include "isa/instruction.hpp"

namespace ebpf::interp {

/// Where and why compile() refused.
struct Refusal {
    std::uint32_t slot = 0;
    const char* what = "";   ///< the thing that is wrong, for a message: "helper", "map index", ...
    std::int64_t value = 0;  ///< its number
};

/// How instructions follow each other at run time.
enum class Dispatch : std::uint8_t {
    Best,      ///< each handler jumps to the next where the compiler can promise that, else Stepping
    Stepping,  ///< a loop calls each handler: slower, but the loop can observe (interp/observe.hpp)
};

struct Options {
    Dispatch dispatch = Dispatch::Best;
    Refusal* refusal = nullptr;  ///< filled in when compile() fails; may be nullptr
};

/// Makes an executable image of `code`. Free it with image->destroy(image).
/// Requires: `code` comes from isa::decode() and was accepted by the verifier (the interpreter checks no
/// memory
///   access), and what `bindings` points to outlives the image.
/// Errors: NotSupported - an instruction that engines never see (kfunc calls, callx, unresolved map file
/// descriptors,
///   addresses of variables, or of code where there is none); NotFound - a helper or map that is not bound;
///   JumpOutOfRange - a jump leaves its subprogram, or code can run past its end; LimitExceeded - recursion,
///   or more than kMaxCallFrames frames; InvalidArgument - no code; OutOfMemory.
/// Stack: every frame has kStackBytes of its own, below its caller's, so that no frame can run into another's
///   whatever addresses it computes inside its own; kMaxCallFrames of them are kept on the native stack (4
///   KiB). They are not cleared: the verifier demands initialisation before a read.
/// Threads: any; an image may run on any number of threads at once.
StatusOr<engine::Image*> compile(const isa::Code& code, const engine::Bindings& bindings,
                                 const Options& options = {}) noexcept;

}  // namespace ebpf::interp
