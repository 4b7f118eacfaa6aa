// SPDX-License-Identifier: MIT
// CodePolicy: what a context allows machine code to be.
#pragma once

namespace ebpf::service {

/// Set when the context is made; holds for every program.
struct CodePolicy {
    bool is_code_integrity_enforced = false;  ///< none is made: engine jit is refused
    bool blinds_constants = false;            ///< constants of the program do not appear in it
};

}  // namespace ebpf::service
