// SPDX-License-Identifier: MIT
#include "runtime/provider.hpp"

namespace ebpf::runtime {

ProviderIdentity ProviderIdentity::of(const ebpf_hook_provider& table) noexcept {
    ProviderIdentity identity;
    for (std::size_t i = 0; i + 1 < kNameBytes && table.name[i] != '\0'; ++i)
        identity.name[i] = table.name[i];
    identity.program_type = table.program_type;
    identity.attach_type = table.attach_type;
    identity.combine = table.combine;
    identity.max_programs = table.max_programs == 0 ? 1 : table.max_programs;
    identity.actions = table.actions;
    return identity;
}

Status validate_provider(const ebpf_hook_provider* provider) noexcept {
    if (provider == nullptr) return Status::InvalidArgument;
    if (provider->version != EBPF_HOOK_ABI_VERSION || provider->size != sizeof(ebpf_hook_provider)) {
        return Status::VersionMismatch;
    }
    if (provider->name == nullptr || provider->attach == nullptr || provider->detach == nullptr) {
        return Status::InvalidArgument;
    }
    if (provider->combine != EBPF_COMBINE_CHAIN && provider->combine != EBPF_COMBINE_ALL) {
        return Status::InvalidArgument;
    }
    if (provider->max_programs > EBPF_HOOK_MAX_PROGRAMS) return Status::InvalidArgument;
    return Status::Ok;
}

Status status_of_errno(int code) noexcept {
    struct Row {
        Status status;
        int number;
    };
    static constexpr Row kRows[] = {
#define EBPF_ERROR(name, number, linux_errno, text) {Status::name, linux_errno},
#include "base/errors.def"
#undef EBPF_ERROR
    };
    // Several statuses share an errno; the table lists the general one first.
    for (const Row& row : kRows) {
        if (row.number == code || row.number == -code) return row.status;
    }
    return Status::Environment;
}

}  // namespace ebpf::runtime
