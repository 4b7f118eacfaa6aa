// SPDX-License-Identifier: MIT
// veth + clsact + u32 + mirred through rtnetlink. Source: linux/pkt_cls.h, linux/pkt_sched.h,
// linux/tc_act/tc_mirred.h.
#include "hooks/xdp/linux/inject_path.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/veth.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "hooks/xdp/linux/link_info.hpp"
#include "hooks/xdp/linux/marks.hpp"

namespace ebpf::hooks::xdp {
namespace {

constexpr std::uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
/// Superframes are not held to the device's MTU, everything else is.
constexpr std::uint32_t kDeviceMtu = 65535;
constexpr std::string_view kAliasStart = "ebpf-everywhere xdp hook";

/// A kernel without the module answers ENOENT (qdisc, classifier) or EOPNOTSUPP (device kind).
Failure explain(Failure failure, std::string_view part) {
    if (failure.error == ENOENT) failure.error = EOPNOTSUPP;
    return std::move(failure).in(part);
}

}  // namespace

Outcome<InjectPath> InjectPath::create(const LinkInfo& interface) {
    const std::uint32_t ifindex = interface.ifindex;
    auto route = NetlinkSocket::open(NETLINK_ROUTE);
    if (!route) return std::unexpected(std::move(route).error());
    InjectPath path(std::move(*route));
    const std::string name = fmt::format("ebpfx{}", ifindex);
    const std::string peer = fmt::format("ebpfy{}", ifindex);
    if (auto done = path.reclaim(name); !done) return std::unexpected(std::move(done).error());
    if (auto done = path.add_pair(name, peer, interface.address); !done) {
        return std::unexpected(
            explain(std::move(done).error(), fmt::format("veth devices '{}', '{}'", name, peer)));
    }
    for (const std::uint32_t device : {path.device_, path.peer_}) {
        if (auto done = path.start_device(device, ifindex); !done)
            return std::unexpected(std::move(done).error());
    }
    if (auto done = path.add_qdisc(); !done) {
        return std::unexpected(explain(std::move(done).error(), "clsact qdisc"));
    }
    if (auto done = path.add_filter(ifindex); !done) {
        return std::unexpected(explain(std::move(done).error(), "u32 filter with mirred action"));
    }
    return path;
}

InjectPath::InjectPath(InjectPath&& other) noexcept
    : route_(std::move(other.route_)), device_(std::exchange(other.device_, 0)), peer_(other.peer_) {}

InjectPath::~InjectPath() {
    if (device_ == 0) return;
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(device_);
    NetlinkRequest request;
    request.begin(RTM_DELLINK, NLM_F_ACK, header);
    // ENODEV when somebody removed it by hand; nothing else can fail that could be helped here.
    static_cast<void>(route_.transact(request));
}

Outcome<void> InjectPath::reclaim(const std::string& name) {
    const auto link = find_link(route_, name);
    if (!link) {
        if (link.error().error == ENODEV) return {};
        return std::unexpected(link.error());
    }
    // The alias follows the creation: a process killed in between leaves none.
    const bool is_ours =
        link->kind == "veth" && (link->alias.empty() || link->alias.starts_with(kAliasStart));
    if (!is_ours) {
        return failure(EEXIST, fmt::format("interface '{}' exists and is not a leftover of this hook", name));
    }
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(link->ifindex);
    NetlinkRequest request;
    request.begin(RTM_DELLINK, NLM_F_ACK, header);
    return route_.transact(request);
}

Outcome<void> InjectPath::add_pair(const std::string& name, const std::string& peer,
                                   std::span<const std::byte> address) {
    NetlinkRequest request;
    request.begin(RTM_NEWLINK, kCreate, ifinfomsg{});
    request.text(IFLA_IFNAME, name);
    request.value(IFLA_MTU, kDeviceMtu);
    const std::size_t info = request.nest(IFLA_LINKINFO);
    request.text(IFLA_INFO_KIND, "veth");
    const std::size_t data = request.nest(IFLA_INFO_DATA);
    const std::size_t other = request.nest(VETH_INFO_PEER);
    request.raw(ifinfomsg{});
    request.text(IFLA_IFNAME, peer);
    // With the interface's own address, frames are also classified rightly (for this host or another) when
    // the drop rule, which does so for certain, is gone while the last frames are sent back.
    request.attribute(IFLA_ADDRESS, address.data(), address.size());
    request.value(IFLA_MTU, kDeviceMtu);
    request.end(other);
    request.end(data);
    request.end(info);
    if (auto done = route_.transact(request); !done) return done;
    const auto link = find_link(route_, name);
    if (!link) return std::unexpected(link.error());
    device_ = link->ifindex;
    const auto peer_link = find_link(route_, peer);
    if (!peer_link) return std::unexpected(peer_link.error());
    peer_ = peer_link->ifindex;
    return {};
}

Outcome<void> InjectPath::start_device(std::uint32_t device, std::uint32_t ifindex) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(device);
    NetlinkRequest request;
    request.begin(RTM_NEWLINK, NLM_F_ACK, header);
    request.text(IFLA_IFALIAS, fmt::format("{} on interface {}", kAliasStart, ifindex));
    if (auto done = route_.transact(request); !done) return done;

    // No IPv6 address on the device: what IPv6 sends by itself does not belong to the interface. A kernel
    // without IPv6 refuses this: no harm.
    NetlinkRequest quiet;
    quiet.begin(RTM_NEWLINK, NLM_F_ACK, header);
    const std::size_t families = quiet.nest(IFLA_AF_SPEC);
    const std::size_t ipv6 = quiet.nest(AF_INET6);
    quiet.value(IFLA_INET6_ADDR_GEN_MODE, static_cast<std::uint8_t>(IN6_ADDR_GEN_MODE_NONE));
    quiet.end(ipv6);
    quiet.end(families);
    static_cast<void>(route_.transact(quiet));

    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    NetlinkRequest up;
    up.begin(RTM_NEWLINK, NLM_F_ACK, header);
    return route_.transact(up);
}

Outcome<void> InjectPath::add_qdisc() {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(peer_);
    header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0U);
    header.tcm_parent = TC_H_CLSACT;
    NetlinkRequest request;
    request.begin(RTM_NEWQDISC, kCreate, header);
    request.text(TCA_KIND, "clsact");
    return route_.transact(request);
}

Outcome<void> InjectPath::add_filter(std::uint32_t ifindex) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(peer_);
    header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    header.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL));
    NetlinkRequest request;
    request.begin(RTM_NEWTFILTER, kCreate, header);
    request.text(TCA_KIND, "u32");
    const std::size_t options = request.nest(TCA_OPTIONS);

    // A selector followed by one key of zeros: everything matches.
    tc_u32_sel selector{};
    selector.flags = TC_U32_TERMINAL;
    selector.nkeys = 1;
    std::array<std::byte, sizeof(tc_u32_sel) + sizeof(tc_u32_key)> match_all{};
    std::memcpy(match_all.data(), &selector, sizeof(selector));
    request.attribute(TCA_U32_SEL, match_all.data(), match_all.size());
    // Frames of other senders stay out.
    request.value(TCA_U32_MARK, tc_u32_mark{.val = kMarkBase, .mask = ~kMarkTypeMask, .success = 0});

    const std::size_t actions = request.nest(TCA_U32_ACT);
    const std::size_t first = request.nest(1);
    request.text(TCA_ACT_KIND, "mirred");
    const std::size_t action = request.nest(TCA_ACT_OPTIONS);
    tc_mirred redirect{};
    redirect.action = TC_ACT_STOLEN;
    redirect.eaction = TCA_INGRESS_REDIR;
    redirect.ifindex = ifindex;
    request.attribute(TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
    request.end(action);
    request.end(first);
    request.end(actions);
    request.end(options);
    return route_.transact(request);
}

}  // namespace ebpf::hooks::xdp
