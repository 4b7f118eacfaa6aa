// SPDX-License-Identifier: MIT
// The XDP hook: runs XDP programs on the frames that arrive at an existing network interface, without the
// kernel's eBPF. How it works, what it needs and what it does not do: README.md in this folder.
#pragma once

#include "ebpf/hook_provider.h"

namespace ebpf::hooks::xdp {

/// Provider of program type XDP, attach type BPF_XDP.
///
/// attach() takes request.ifindex; request.flags must be 0. Errors (negative errno, with a reason):
///   EPERM - CAP_NET_ADMIN or CAP_NET_RAW is missing; ENODEV - no such interface; EOPNOTSUPP - not an
///   Ethernet interface, or the kernel lacks a part; ENETDOWN - the interface is down; EBUSY - a hook of this
///   or another process is attached already; EINVAL - a field of the request; EIO - anything else that the
///   host refused.
/// Up to 10 programs run at an interface, by priority; the next one runs after XDP_PASS or what the one
/// before it names as chain-call actions, and the last one's verdict counts. Verdicts: XDP_PASS, XDP_DROP and
/// XDP_ABORTED as in the kernel; XDP_TX and XDP_REDIRECT drop the frame and count it as `unsupported`; any
/// other value counts as `aborted`. Counters: see CounterName in linux/counters.hpp and README.md. Threads:
/// any; one hook thread per attachment, which the provider owns. Lifetime: must outlive its attachments.
class XdpProvider {
  public:
    XdpProvider() noexcept;
    ~XdpProvider() = default;
    XdpProvider(const XdpProvider&) = delete;
    XdpProvider& operator=(const XdpProvider&) = delete;

    /// The C view, valid as long as this object.
    [[nodiscard]] const ebpf_hook_provider* abi() const noexcept { return &abi_; }

  private:
    ebpf_hook_provider abi_;
};

}  // namespace ebpf::hooks::xdp
