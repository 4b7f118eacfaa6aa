// SPDX-License-Identifier: MIT
// Runs generated programs on engines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "isa/instruction.hpp"
#include "program.hpp"
#include "vectors/engines.hpp"
#include "vectors/test_host.hpp"

namespace ebpf::oracle {

/// What a run left behind.
struct Effects {
    std::uint64_t result = 0;
    Bytes memory;                   ///< region or packet
    Bytes context;                  ///< its plain fields; the kernel does not tell
    std::vector<MapContents> maps;  ///< by index
    friend bool operator==(const Effects&, const Effects&) = default;
};

/// Returns in what two runs differ, as text; empty if in nothing. Contexts are compared if both have one.
std::string difference(const Effects& expected, const Effects& got);

/// A new host with the program's memory and filled maps; nullptr if there is no memory for it.
std::unique_ptr<vectors::TestHost> make_host(const Generated& program);
Effects effects_of(vectors::TestHost& host, std::uint64_t result);

struct Run {
    std::string violation;  ///< first one seen by the observer; empty: none
    Effects effects;        ///< of the observed run
    bool is_equal = false;  ///< a second run, unobserved and with the other dispatch, had the same effects
};

/// Decodes, lowers and runs `program`, first observed, then (if nothing was wrong) free, in the interpreter.
/// `report`: the verifier's, with invariants; nullptr: only accesses are checked.
/// Requires: program.targets is empty.
Run run_generated(const Generated& program, const verifier::Report* report);

/// A program, verified and lowered, as engines take it.
struct Prepared {
    struct Lowered {
        Bytes bytecode;
        isa::Code code;
        std::vector<verifier::AccessKind> accesses;
    };
    const Generated* program = nullptr;
    std::vector<Lowered> bodies;  ///< the program, then its targets
    std::string refusal;          ///< of the verifier; empty: accepted

    /// What an engine is to make images of. Lifetime: refers to this object and to `host`.
    [[nodiscard]] std::vector<vectors::EngineProgram> engine_programs(const vectors::TestHost& host) const;
};

/// Verifies the program and its targets and lowers them. Lifetime: the result refers to `program`.
Prepared prepare(const Generated& program);

}  // namespace ebpf::oracle
