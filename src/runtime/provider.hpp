// SPDX-License-Identifier: MIT
// Provider: a registered hook provider; and the translation of its errnos.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "ebpf/hook_provider.h"

namespace ebpf::runtime {

/// A registered provider. Guarded by the state's lock, but for `table`, which does not change.
/// Lifetime: until unregistered with no links left.
struct Provider {
    const ebpf_hook_provider* table = nullptr;
    Provider* next = nullptr;
    std::uint32_t links = 0;  ///< that are not Detached: its attach() or detach() may be running for them
    bool is_closing = false;  ///< takes no more links
};

/// Checks what a provider must bring. Errors: VersionMismatch, InvalidArgument.
Status validate_provider(const ebpf_hook_provider* provider) noexcept;

/// Returns the status whose errno `code` (negative or positive) is; Environment for numbers not in
/// errors.def.
Status status_of_errno(int code) noexcept;

}  // namespace ebpf::runtime
