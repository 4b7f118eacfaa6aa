// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/confine.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace ebpf::hooks::socket {
namespace {

// Source: Linux include/uapi/linux/landlock.h; Debian 12's header is older than these rights.
struct Ruleset {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
};
constexpr std::uint64_t kBindTcp = 1;
constexpr std::uint64_t kConnectTcp = 2;

}  // namespace

bool confine_tcp() noexcept {
    const Ruleset ruleset{.handled_access_fs = 0, .handled_access_net = kBindTcp | kConnectTcp};
    const long rules = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
    if (rules < 0) return false;
    const bool is_confined = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(static_cast<int>(rules));
    return is_confined;
}

}  // namespace ebpf::hooks::socket
