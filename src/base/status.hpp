// SPDX-License-Identifier: MIT
// Status: the one list of error codes, free of allocation and exceptions. Host code adds text: see error.hpp.
#pragma once

#include <cstdint>
#include <expected>

namespace ebpf {

/// What an operation came to. Numbers are stable (they cross process and library boundaries).
enum class Status : std::uint32_t {
#define EBPF_ERROR(name, number, linux_errno, text) name = number,
#include "base/errors.def"
#undef EBPF_ERROR
};

/// Returns the name of `status` as written in errors.def, or "Unknown" for a number outside the table.
const char* status_name(Status status) noexcept;

/// Returns the short English text of `status`.
const char* status_text(Status status) noexcept;

/// Returns Linux's errno value (positive; 0 for Ok) of `status`, the same on every host.
int status_errno(Status status) noexcept;

/// A value or a Status: the result type of the kernel set, where text cannot be built.
template <typename T>
using StatusOr = std::expected<T, Status>;

}  // namespace ebpf
