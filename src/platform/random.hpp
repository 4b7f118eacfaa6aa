// SPDX-License-Identifier: MIT
// Random bytes from the operating system. Implemented in platform/<os>.
#pragma once

#include <cstddef>
#include <span>

namespace ebpf::platform {

/// Fills `bytes` with unpredictable bytes. Returns false if the host cannot give any. Threads: any.
[[nodiscard]] bool fill_random(std::span<std::byte> bytes) noexcept;

}  // namespace ebpf::platform
