// SPDX-License-Identifier: MIT
// The condition that holds when another one does not.
#pragma once

#include "spec/instructions.hpp"

namespace ebpf::isa {

/// Returns the condition of the same operands that is true exactly when `condition` is not; Set has none and
/// is returned as it is.
constexpr spec::JumpOp opposite(spec::JumpOp condition) noexcept {
    using spec::JumpOp;

    switch (condition) {
        case JumpOp::Eq:
            return JumpOp::Ne;
        case JumpOp::Ne:
            return JumpOp::Eq;
        case JumpOp::Gt:
            return JumpOp::Le;
        case JumpOp::Ge:
            return JumpOp::Lt;
        case JumpOp::Lt:
            return JumpOp::Ge;
        case JumpOp::Le:
            return JumpOp::Gt;
        case JumpOp::SGt:
            return JumpOp::SLe;
        case JumpOp::SGe:
            return JumpOp::SLt;
        case JumpOp::SLt:
            return JumpOp::SGe;
        case JumpOp::SLe:
            return JumpOp::SGt;
        case JumpOp::Set:
            break;
    }
    return condition;
}

}  // namespace ebpf::isa
