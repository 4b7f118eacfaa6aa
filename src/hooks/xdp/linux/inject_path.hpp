// SPDX-License-Identifier: MIT
// The way back into the kernel: a pair of veth devices; what is sent into it comes out at the interface as if
// just received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "hooks/xdp/linux/link_info.hpp"
#include "hooks/xdp/linux/netlink.hpp"

namespace ebpf::hooks::xdp {

/// Owns the veth devices "ebpfx<ifindex>", for sending, and "ebpfy<ifindex>", whose clsact qdisc has a u32
/// filter that redirects marked frames to the interface's ingress. Removes them when it goes. Devices of that
/// name left behind by a process that was killed are removed first: the caller must hold the interface's drop
/// rule table (DropRule), so that no living attachment owns them.
///
/// Why not a single ifb with the filter at its egress: redirecting from egress to ingress skips what the
/// network header says, and the kernel puts that behind the VLAN tags of a frame sent by a packet socket; the
/// tag would be read four bytes too late. Behind a veth the frame is parsed as any received one.
class InjectPath {
  public:
    /// Errors: EEXIST - the name is taken by a device that is not ours; EOPNOTSUPP - the kernel has no veth,
    ///   clsact, u32 or mirred; those of netlink. On failure nothing is left behind.
    static Outcome<InjectPath> create(const LinkInfo& interface);

    InjectPath(InjectPath&& other) noexcept;
    InjectPath& operator=(InjectPath&&) = delete;
    InjectPath(const InjectPath&) = delete;
    InjectPath& operator=(const InjectPath&) = delete;
    ~InjectPath();

    /// Number of the device to send to.
    [[nodiscard]] std::uint32_t device() const { return device_; }

  private:
    explicit InjectPath(NetlinkSocket route) : route_(std::move(route)) {}
    Outcome<void> reclaim(const std::string& name);
    Outcome<void> add_pair(const std::string& name, const std::string& peer,
                           std::span<const std::byte> address);
    Outcome<void> start_device(std::uint32_t device, std::uint32_t ifindex);
    Outcome<void> add_qdisc();
    Outcome<void> add_filter(std::uint32_t ifindex);

    NetlinkSocket route_;
    std::uint32_t device_ = 0;  ///< 0: none
    std::uint32_t peer_ = 0;
};

}  // namespace ebpf::hooks::xdp
