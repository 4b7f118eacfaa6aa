// SPDX-License-Identifier: MIT
// Whether bytes are a whole shared library of this host, before its loader, which trusts headers, gets to see
// them.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.hpp"

namespace ebpf::native {

/// Errors: Malformed - another format, another machine, no library; Truncated - parts that its headers name
/// are missing.
Result<void> check_elf_library(std::span<const std::byte> bytes);
Result<void> check_pe_library(std::span<const std::byte> bytes);

/// The one of them that is for this host.
Result<void> check_library(std::span<const std::byte> bytes);

}  // namespace ebpf::native
