// SPDX-License-Identifier: MIT
// The kernel side of the hook's grip: an nftables rule that drops the kernel's own copy of each arriving
// frame.
#pragma once

#include <cstdint>
#include <string>

#include "hooks/xdp/linux/netlink.hpp"

namespace ebpf::hooks::xdp {

/// Owns the table `ebpf_everywhere_xdp_<ifindex>` of family netdev. The table is created with `flags owner`:
/// it belongs to the netlink socket held here and the kernel deletes it when that closes, on kill -9 too
/// (fail open). The table is also the lock that keeps a second hook off the interface.
class DropRule {
  public:
    /// Creates the empty table.
    /// Errors: EBUSY - a living process holds the table; EPERM; EOPNOTSUPP - no nf_tables or no owner flag.
    static Outcome<DropRule> reserve(std::uint32_t ifindex);

    /// Puts the chain and its rules in: from some moment during the call, frames at the interface `name`
    /// reach the network stack only if they carry a mark of marks.hpp, which is cleared.
    /// The packet type is set to what the mark says.
    Outcome<void> activate(const std::string& name);

    /// Takes chain, rules and table away: the network stack gets every frame again. Called by the destructor.
    void release() noexcept;

    DropRule(DropRule&& other) noexcept;
    DropRule& operator=(DropRule&&) = delete;
    DropRule(const DropRule&) = delete;
    DropRule& operator=(const DropRule&) = delete;
    ~DropRule() { release(); }

  private:
    DropRule(NetlinkSocket socket, std::string table)
        : socket_(std::move(socket)), table_(std::move(table)) {}

    NetlinkSocket socket_;
    std::string table_;  ///< empty: nothing to undo
};

}  // namespace ebpf::hooks::xdp
