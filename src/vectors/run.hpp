// SPDX-License-Identifier: MIT
// Runs a vector through everything that it says something about.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vectors/engines.hpp"
#include "vectors/vector.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::vectors {

struct RunOptions {
    const Engine* engine = &interpreter();  ///< one that is in this build
    verifier::Report (*verify)(const verifier::Request& request) =
        nullptr;  ///< nullptr: vectors are not verified
};

struct Outcome {
    bool is_passed = false;
    bool is_skipped = false;          ///< the vector excludes the engine
    std::string message;              ///< why it failed
    std::vector<spec::Form> forms;    ///< that the run executed, or that was refused as the vector expects
    std::optional<bool> is_accepted;  ///< the verifier's verdict
    std::string refusal;              ///< the verifier's first failure
};

/// Returns the vector's program as bytes: assembled, or the raw ones. Errors: those of isa::assemble.
Result<std::vector<std::byte>> encode(const Vector& vector);

/// For each vector: assembles, compares with the raw bytes, decodes, disassembles and assembles again,
/// verifies, runs under observation in the interpreter and free on the engine; compares each step with what
/// the vector expects. Returns: an outcome per vector. Threads: any.
std::vector<Outcome> run_vectors(std::span<const Vector> vectors, const RunOptions& options);

/// The same for one vector.
Outcome run_vector(const Vector& vector, const RunOptions& options);

}  // namespace ebpf::vectors
