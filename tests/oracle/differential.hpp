// SPDX-License-Identifier: MIT
// The same programs on every engine and in the Linux kernel: do all leave the same behind?
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "oracle_run.hpp"
#include "vectors/engines.hpp"

namespace ebpf::oracle {

/// A way to run programs besides engines; nothing if it does not take this one.
struct Outsider {
    const char* name = "";
    /// False: it refuses the program, `failure` may say why. True with `failure`: it took it, but something
    /// went wrong.
    bool (*run)(const Generated& program, Effects& effects, std::string& failure) = nullptr;
};

struct Disagreement {
    std::size_t program = 0;  ///< index in the batch
    std::string opponent;     ///< that differs from the interpreter
    std::string text;         ///< in what
};

/// What has been compared.
struct Tally {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;                              ///< by our verifier: nothing to compare
    std::map<std::string, std::uint64_t> compared;          ///< by opponent
    std::map<std::string, std::uint64_t> opponents_refuse;  ///< by outsider and reason
    std::map<std::string, std::uint64_t> refusals;          ///< by the verifier's rule
    void add(const Tally& other);
};

struct Contest {
    std::vector<const vectors::Engine*> engines;  ///< besides the interpreter; all in this build
    std::vector<Outsider> outsiders;
};

/// Runs each program that the verifier accepts in the interpreter, on every engine and with every outsider
/// that takes it, each on maps and memory of its own. Returns every difference from the interpreter; an
/// engine's refusal is one. What crashes or does not end takes the process with it.
std::vector<Disagreement> compare(const Contest& contest, std::span<const Generated> programs, Tally& tally);

/// The interpreter's effects. Requires: prepared.refusal is empty.
Effects expected_effects(const Prepared& prepared);

}  // namespace ebpf::oracle
