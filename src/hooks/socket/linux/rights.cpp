// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/rights.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <optional>

#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {
namespace {

constexpr std::uint16_t kFirstFreePort = 1024;
constexpr std::uint32_t kBit = CAP_TO_MASK(unsigned{CAP_NET_BIND_SERVICE});
constexpr std::size_t kWord = CAP_TO_INDEX(unsigned{CAP_NET_BIND_SERVICE});

using Capabilities = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

/// `thread` 0: the calling one.
std::optional<Capabilities> capabilities_of(int thread) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = thread};
    Capabilities data{};
    if (syscall(SYS_capget, &header, data.data()) != 0) return std::nullopt;
    return data;
}

/// Makes the capability of the calling thread effective or not. Returns whether it is so.
bool set_effective(bool is_effective) {
    auto data = capabilities_of(0);
    if (!data) return false;
    std::uint32_t& word = (*data)[kWord].effective;
    word = is_effective ? word | kBit : word & ~kBit;
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    return syscall(SYS_capset, &header, data->data()) == 0;
}

bool may_bind_low(int thread) {
    const auto data = capabilities_of(thread);
    return data && ((*data)[kWord].effective & kBit) != 0;
}

/// Source: Linux Documentation/networking/ip-sysctl.rst, ip_unprivileged_port_start.
int first_free_port() {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    int port = 0;
    return file >> port ? port : kFirstFreePort;
}

int bind_now(const platform::Descriptor& socket, const Address& address) {
    const auto* bytes = reinterpret_cast<const sockaddr*>(&address.bytes);
    return ::bind(socket.number(), bytes, address.length) == 0 ? 0 : -errno;
}

}  // namespace

Binder::Binder()
    : network_(network_of(platform::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)))),
      first_free_port_(first_free_port()) {
    const auto own = capabilities_of(0);
    has_right_ = own && ((*own)[kWord].permitted & kBit) != 0;
    is_without_ = set_effective(false);
}

bool Binder::is_like_us(int thread) {
    const auto ours = read_status(static_cast<int>(syscall(SYS_gettid)));
    const auto theirs = read_status(thread);
    if (!ours || !theirs || ours->credentials != theirs->credentials) return false;
    auto mine = capabilities_of(0);
    auto yours = capabilities_of(thread);
    if (!mine || !yours || !has_our_user_namespace(thread)) return false;
    (*mine)[kWord].effective |= kBit;
    (*yours)[kWord].effective |= kBit;
    for (std::size_t word = 0; word < mine->size(); ++word) {
        if ((*mine)[word].effective != (*yours)[word].effective) return false;
    }
    return true;
}

int Binder::bind(const platform::Descriptor& socket, const Address& address, int thread) {
    if (!is_without_) return -EACCES;  // what we would do would be done with our rights
    const std::uint16_t port = port_of(address);
    if (port == 0) return bind_now(socket, address);
    if (port >= kFirstFreePort) {  // free nearly everywhere
        const int result = bind_now(socket, address);
        if (result != -EACCES) return result;
    }
    const std::uint64_t network = network_of(socket);
    const bool is_ours = network != 0 && network == network_;
    if (is_ours && port >= first_free_port_) return bind_now(socket, address);
    const bool has_right = may_bind_low(thread);
    if (!has_right && !is_ours && port < kFirstFreePort) return -EACCES;
    const bool needs_right = has_right && has_right_ && has_our_user_namespace(thread);
    if (!needs_right) return bind_now(socket, address);
    if (!set_effective(true)) return -EACCES;
    const int result = bind_now(socket, address);
    is_without_ = set_effective(false);
    return result;
}

}  // namespace ebpf::hooks::socket
