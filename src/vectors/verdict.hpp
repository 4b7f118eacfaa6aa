// SPDX-License-Identifier: MIT
// The verifier's part in running a vector: what it is asked, and how its answer compares with the expected
// one.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "vectors/vector.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::vectors {

/// Returns what the verifier is asked about a vector.
verifier::Request make_request(const Vector& vector, std::span<const std::byte> bytecode);

/// Returns "V012 @3: message" of a refusal; empty for an acceptance.
std::string first_failure(const verifier::Report& report);

/// Returns how the verdict differs from the expected one; empty if it does not. Rule and slot are those of
/// the first failure.
std::string compare_verdict(const ExpectedVerdict& expected, const verifier::Report& report);

}  // namespace ebpf::vectors
