// SPDX-License-Identifier: MIT
// RTM_GETLINK. Source: rtnetlink(7).
#include "hooks/xdp/linux/link_info.hpp"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::xdp {
namespace {

Outcome<LinkInfo> ask(NetlinkSocket& route, NetlinkRequest& request) {
    const auto answer = route.query(request);
    if (!answer) return std::unexpected(answer.error());
    ifinfomsg header;
    if (answer->size() < sizeof(header)) return failure(EIO, "netlink: answer is too short");
    std::memcpy(&header, answer->data(), sizeof(header));
    LinkInfo info;
    info.ifindex = static_cast<std::uint32_t>(header.ifi_index);
    info.flags = header.ifi_flags;
    info.hardware_type = header.ifi_type;
    AttributeReader attributes(std::span<const std::byte>(*answer).subspan(sizeof(header)));
    while (attributes.next()) {
        if (attributes.type() == IFLA_IFNAME) info.name = attributes.text();
        if (attributes.type() == IFLA_ADDRESS) {
            info.address.assign(attributes.payload().begin(), attributes.payload().end());
        }
        if (attributes.type() == IFLA_IFALIAS) info.alias = attributes.text();
        if (attributes.type() != IFLA_LINKINFO) continue;
        AttributeReader details(attributes.payload());
        while (details.next()) {
            if (details.type() == IFLA_INFO_KIND) info.kind = details.text();
        }
    }
    return info;
}

}  // namespace

Outcome<LinkInfo> find_link(NetlinkSocket& route, std::uint32_t ifindex) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(ifindex);
    NetlinkRequest request;
    request.begin(RTM_GETLINK, 0, header);
    return ask(route, request);
}

Outcome<LinkInfo> find_link(NetlinkSocket& route, const std::string& name) {
    NetlinkRequest request;
    request.begin(RTM_GETLINK, 0, ifinfomsg{});
    request.text(IFLA_IFNAME, name);
    return ask(route, request);
}

}  // namespace ebpf::hooks::xdp
