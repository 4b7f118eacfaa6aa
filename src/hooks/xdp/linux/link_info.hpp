// SPDX-License-Identifier: MIT
// What the kernel says about a network interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hooks/xdp/linux/netlink.hpp"

namespace ebpf::hooks::xdp {

struct LinkInfo {
    std::uint32_t ifindex = 0;
    std::uint32_t flags = 0;          ///< IFF_*
    std::uint16_t hardware_type = 0;  ///< ARPHRD_*
    std::vector<std::byte> address;   ///< MAC
    std::string name;
    std::string alias;
    std::string kind;  ///< "veth", "bridge"; empty for hardware
};

/// Returns the interface with that number. Errors: ENODEV; those of netlink.
Outcome<LinkInfo> find_link(NetlinkSocket& route, std::uint32_t ifindex);

/// Returns the interface of that name. Errors: ENODEV; those of netlink.
Outcome<LinkInfo> find_link(NetlinkSocket& route, const std::string& name);

}  // namespace ebpf::hooks::xdp
