// SPDX-License-Identifier: MIT
#include "platform/user.hpp"

namespace ebpf::platform {

std::uint32_t user_id() noexcept {
    return 0;
}

}  // namespace ebpf::platform
