// SPDX-License-Identifier: MIT
// What a verdict is tied to.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/error.hpp"
#include "platform/hash.hpp"
#include "protocol/messages.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::protocol {

/// Returns the SHA-256 of the encoded request: everything the verdict depends on, byte for byte.
/// Errors: TooBig - the request cannot be encoded.
Result<platform::Sha256> request_hash(const verifier::Request& request);

/// Number by which people know a program: it changes with every bit of the bytecode, and proves nothing.
using ProgramTag = std::array<std::byte, kTagBytes>;
/// Returns the first bytes of the SHA-256 of the bytecode as verified.
ProgramTag program_tag(std::span<const std::byte> bytecode);

/// A report with the request it answers. The verifier process hashes the bytes it read, not what it was told.
struct BoundReport {
    platform::Sha256 request{};
    verifier::Report report;
};

/// Errors: TooBig. / Malformed.
Result<std::vector<std::byte>> encode_bound_report(const BoundReport& report);
Result<BoundReport> decode_bound_report(std::span<const std::byte> bytes);

}  // namespace ebpf::protocol
