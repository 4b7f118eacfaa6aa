// SPDX-License-Identifier: MIT
// Whole files. Host part: not in the kernel set.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace ebpf::platform {

/// Returns the bytes of the regular file at `path`.
/// Errors: NotFound, AccessDenied, TooBig - more than `max_bytes`, InvalidArgument - not a regular file,
/// Environment.
Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t max_bytes);

/// The same for a file that is to run in this process: `path` is absolute, and only root and this process's
/// user can have written the file. Errors: also InvalidArgument - a relative path; NoPermission - another
/// owner, or others may write it; NotSupported - on Windows.
Result<std::vector<std::byte>> read_trusted_file(const std::string& path, std::size_t max_bytes);

}  // namespace ebpf::platform
