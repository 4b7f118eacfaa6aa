// SPDX-License-Identifier: MIT
#include "platform/interface.hpp"

#include <winsock2.h>
#include <ws2tcpip.h>

// After winsock2.h, which they need.
#include <iphlpapi.h>
#include <netioapi.h>

#include <array>

namespace ebpf::platform {

StatusOr<std::uint32_t> interface_index(const std::string& name) {
    const unsigned long index = if_nametoindex(name.c_str());
    if (index == 0) return std::unexpected(Status::NotFound);
    return static_cast<std::uint32_t>(index);
}

StatusOr<std::string> interface_name(std::uint32_t index) {
    std::array<char, IF_MAX_STRING_SIZE + 1> name{};
    if (if_indextoname(index, name.data()) == nullptr) return std::unexpected(Status::NotFound);
    return std::string(name.data());
}

}  // namespace ebpf::platform
