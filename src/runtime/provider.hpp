// SPDX-License-Identifier: MIT
// Provider: the record of a hook provider; and the translation of its errnos.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "ebpf/hook_provider.h"
#include "runtime/objects.hpp"

namespace ebpf::runtime {

struct AttachPoint;

/// What a provider must have unchanged to get its links back when it returns.
struct ProviderIdentity {
    char name[kNameBytes] = {};  ///< cut
    std::uint32_t program_type = 0;
    std::uint32_t attach_type = 0;
    std::uint32_t combine = 0;
    std::uint32_t max_programs = 0;
    std::uint32_t actions = 0;

    static ProviderIdentity of(const ebpf_hook_provider& table) noexcept;
    bool operator==(const ProviderIdentity&) const noexcept = default;
};

/// The record of a provider: while it is registered, and afterwards as long as links wait for its return.
/// Guarded by the state's lock.
struct Provider {
    const ebpf_hook_provider* table = nullptr;  ///< nullptr: it has gone
    ProviderIdentity identity;
    Provider* next = nullptr;
    AttachPoint* points = nullptr;
    std::uint32_t busy = 0;   ///< how many threads are in its attach() or detach()
    bool is_closing = false;  ///< takes no more links
};

/// Checks what a provider must bring. Errors: VersionMismatch, InvalidArgument.
Status validate_provider(const ebpf_hook_provider* provider) noexcept;

/// Returns the status whose errno `code` (negative or positive) is; Environment for numbers not in
/// errors.def.
Status status_of_errno(int code) noexcept;

}  // namespace ebpf::runtime
