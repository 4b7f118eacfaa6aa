// SPDX-License-Identifier: MIT
#include "platform/interface.hpp"

#include <net/if.h>

#include <array>

namespace ebpf::platform {

StatusOr<std::uint32_t> interface_index(const std::string& name) {
    const unsigned index = if_nametoindex(name.c_str());
    if (index == 0) return std::unexpected(Status::NotFound);
    return index;
}

StatusOr<std::string> interface_name(std::uint32_t index) {
    std::array<char, IF_NAMESIZE> name{};
    if (if_indextoname(index, name.data()) == nullptr) return std::unexpected(Status::NotFound);
    return std::string(name.data());
}

}  // namespace ebpf::platform
