// SPDX-License-Identifier: MIT
// One run of one program on any engine, for tools that bring programs from elsewhere. Only tests link this:
// it can run what no context would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "spec/programs.hpp"
#include "vectors/engines.hpp"

namespace ebpf::vectors {

/// What to run.
struct Execution {
    std::span<const std::byte> bytecode;
    std::span<const std::byte> memory;  ///< at r1 with its length in r2, or the packet
    spec::ProgramType type = spec::ProgramType::Memory;
    const Engine* engine = &interpreter();
    /// Run programs that the verifier refuses, too: they may do anything to this process. What is verified
    /// all the same is what engines are made for, so a refused program runs without the verifier's knowledge.
    bool allows_refused = false;
};

struct Executed {
    std::uint64_t result = 0;       ///< r0
    std::vector<std::byte> memory;  ///< afterwards
    bool is_accepted = false;       ///< by the verifier
};

/// Decodes, verifies, lowers, compiles and runs.
/// Errors: those of isa::decode; NoPermission - refused by the verifier, with its reason; NotSupported - the
/// engine is not in this build; what the engine refuses.
Result<Executed> execute(const Execution& execution);

}  // namespace ebpf::vectors
