// SPDX-License-Identifier: MIT
#include "platform/user.hpp"

#include <unistd.h>

namespace ebpf::platform {

std::uint32_t user_id() noexcept {
    return geteuid();
}

}  // namespace ebpf::platform
