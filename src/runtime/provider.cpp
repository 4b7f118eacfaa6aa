// SPDX-License-Identifier: MIT
#include "runtime/provider.hpp"

namespace ebpf::runtime {

Status validate_provider(const ebpf_hook_provider* provider) noexcept {
    if (provider == nullptr) return Status::InvalidArgument;
    if (provider->version != EBPF_HOOK_ABI_VERSION || provider->size != sizeof(ebpf_hook_provider)) {
        return Status::VersionMismatch;
    }
    if (provider->name == nullptr || provider->attach == nullptr || provider->detach == nullptr) {
        return Status::InvalidArgument;
    }
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
