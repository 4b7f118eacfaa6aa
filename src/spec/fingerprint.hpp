// SPDX-License-Identifier: MIT
// A number for the tables that a verdict depends on.
#pragma once

#include <cstdint>

namespace ebpf::spec {

/// Hash of the rows of helpers, contexts, program types, map types and instructions, and of the limits that
/// verifier and engines share. A verdict holds only where the tables are those that it was reached with: two
/// programs built from other tables have (but for chance) other numbers. No protection against forgery.
[[nodiscard]] std::uint64_t table_fingerprint() noexcept;

}  // namespace ebpf::spec
