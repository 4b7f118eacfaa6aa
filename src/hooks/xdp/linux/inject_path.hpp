// SPDX-License-Identifier: MIT
// The way back into the kernel: an ifb device whose egress hands every frame to the interface as if just
// received.
#pragma once

#include <cstdint>
#include <string>

#include "hooks/xdp/linux/netlink.hpp"

namespace ebpf::hooks::xdp {

/// Owns an ifb device named "ebpfx<ifindex>" with a clsact qdisc and a u32 filter that redirects marked
/// frames to the interface's ingress. Whatever else is sent to the device, the device drops. Removes the
/// device when it goes. A device of that name left behind by a process that was killed is removed first: the
/// caller must hold the interface's drop rule table (DropRule), so that no living attachment owns it.
class InjectPath {
  public:
    /// Errors: EEXIST - the name is taken by a device that is not ours; EOPNOTSUPP - the kernel has no ifb,
    /// clsact,
    ///   u32 or mirred; those of netlink. On failure nothing is left behind.
    static Outcome<InjectPath> create(std::uint32_t ifindex);

    InjectPath(InjectPath&& other) noexcept;
    InjectPath& operator=(InjectPath&&) = delete;
    InjectPath(const InjectPath&) = delete;
    InjectPath& operator=(const InjectPath&) = delete;
    ~InjectPath();

    /// Number of the ifb device.
    [[nodiscard]] std::uint32_t device() const { return device_; }

  private:
    explicit InjectPath(NetlinkSocket route) : route_(std::move(route)) {}
    Outcome<void> reclaim(const std::string& name);
    Outcome<void> add_device(const std::string& name, std::uint32_t ifindex);
    Outcome<void> start_device(std::uint32_t ifindex);
    Outcome<void> add_qdisc();
    Outcome<void> add_filter(std::uint32_t ifindex);

    NetlinkSocket route_;
    std::uint32_t device_ = 0;  ///< 0: none
};

}  // namespace ebpf::hooks::xdp
