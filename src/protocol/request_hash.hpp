// SPDX-License-Identifier: MIT
// What a verdict is tied to.
#pragma once

#include "base/error.hpp"
#include "platform/hash.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::protocol {

/// Returns the SHA-256 of the encoded request: everything the verdict depends on, byte for byte.
/// Errors: TooBig - the request cannot be encoded.
Result<platform::Sha256> request_hash(const verifier::Request& request);

/// A report with the request it answers. The verifier process hashes the bytes it read, not what it was told.
struct BoundReport {
    platform::Sha256 request{};
    verifier::Report report;
};

/// Errors: TooBig. / Malformed.
Result<std::vector<std::byte>> encode_bound_report(const BoundReport& report);
Result<BoundReport> decode_bound_report(std::span<const std::byte> bytes);

}  // namespace ebpf::protocol
