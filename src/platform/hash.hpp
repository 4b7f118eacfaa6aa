// SPDX-License-Identifier: MIT
// Cryptographic hashes, by the host's library. Host part: not in the kernel set.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace ebpf::platform {

using Sha256 = std::array<std::byte, 32>;

/// Returns the SHA-256 of `bytes`. Threads: any. A failure of the library ends the process (it has no honest
/// answer). Source: FIPS 180-4; OpenSSL on Linux, BCrypt on Windows.
Sha256 sha256(std::span<const std::byte> bytes);

}  // namespace ebpf::platform
