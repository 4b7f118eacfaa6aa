// SPDX-License-Identifier: MIT
// capget(2) without libcap.
#include "hooks/xdp/linux/privileges.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ebpf::hooks::xdp {

Outcome<void> require_privileges() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (syscall(SYS_capget, &header, data) != 0) return system_failure(errno, "capget");
    const auto is_effective = [&](unsigned capability) {
        return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
    };
    std::string missing;
    if (!is_effective(CAP_NET_ADMIN)) missing = "CAP_NET_ADMIN";
    if (!is_effective(CAP_NET_RAW)) missing += missing.empty() ? "CAP_NET_RAW" : " and CAP_NET_RAW";
    if (missing.empty()) return {};
    return failure(EPERM, "no permission to attach to a network interface: " + missing + " missing");
}

}  // namespace ebpf::hooks::xdp
