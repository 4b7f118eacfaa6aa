// SPDX-License-Identifier: MIT
// What every provider's attach() does when it refuses.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "ebpf/hook_provider.h"

namespace ebpf::hooks {

/// Where attach() leaves the text of why it refuses.
class Refusal {
  public:
    Refusal(char* reason, std::size_t reason_bytes) : reason_(reason), bytes_(reason_bytes) {}

    /// Leaves `text`, as much as there is room for, and returns -error.
    int operator()(int error, std::string_view text) const {
        if (reason_ == nullptr || bytes_ == 0) return -error;
        const std::size_t length = std::min(text.size(), bytes_ - 1);
        std::memcpy(reason_, text.data(), length);
        reason_[length] = '\0';
        return -error;
    }

  private:
    char* reason_;
    std::size_t bytes_;
};

/// Whether a request and a dispatch table are of this version of the interface. Returns 0 or -EPROTO.
inline int check_versions(const ebpf_attach_request& request, const ebpf_hook_dispatch& dispatch,
                          const Refusal& refuse) {
    if (request.version == EBPF_HOOK_ABI_VERSION && request.size >= sizeof(request) &&
        dispatch.version == EBPF_HOOK_ABI_VERSION && dispatch.size >= sizeof(dispatch)) {
        return 0;
    }
    return refuse(EPROTO, "the hook and the runtime speak different versions of the hook interface");
}

}  // namespace ebpf::hooks
