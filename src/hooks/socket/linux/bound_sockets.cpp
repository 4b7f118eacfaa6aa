// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/bound_sockets.hpp"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;
using std::chrono::milliseconds;

constexpr milliseconds kLookOften{50};
constexpr milliseconds kLookSeldom{1000};
constexpr int kSocketCookie = 57;        // SO_COOKIE, since Linux 4.12
constexpr int kWantedBuffer = 4 << 20U;  // bytes; the kernel gives what the host allows

std::optional<std::uint64_t> cookie_of(const Descriptor& socket) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (getsockopt(socket.number(), SOL_SOCKET, kSocketCookie, &cookie, &size) != 0) return std::nullopt;
    return cookie;
}

/// Hands the cookie of each socket that the messages in `bytes` tell of to `take`.
template <typename Take>
void for_each_cookie(std::span<const std::byte> bytes, const Take& take) {
    nlmsghdr header;
    inet_diag_msg message;
    while (bytes.size() >= NLMSG_HDRLEN + sizeof message) {
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > bytes.size()) return;
        if (header.nlmsg_len >= NLMSG_HDRLEN + sizeof message) {
            std::memcpy(&message, bytes.data() + NLMSG_HDRLEN, sizeof message);
            take(std::uint64_t{message.id.idiag_cookie[1]} << 32U | message.id.idiag_cookie[0]);
        }
        bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
    }
}

/// A socket that gets a message whenever a TCP or UDP socket of our network namespace has gone.
Descriptor open_messages() {
    Descriptor messages(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
    if (!messages.is_open()) return {};
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(messages.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return {};
    setsockopt(messages.number(), SOL_SOCKET, SO_RCVBUF, &kWantedBuffer, sizeof kWantedBuffer);
    setsockopt(messages.number(), SOL_SOCKET, SO_RCVBUFFORCE, &kWantedBuffer, sizeof kWantedBuffer);
    for (const int group : {SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_TCP_DESTROY,
                            SKNLGRP_INET6_UDP_DESTROY}) {
        if (setsockopt(messages.number(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return {};
    }
    return messages;
}

}  // namespace

void BoundSockets::open() {
    entries_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
    messages_ = open_messages();
    if (!messages_.is_open()) return;
    network_ = network_of(messages_);
}

std::expected<Bound*, int> BoundSockets::add(const Descriptor& socket, Bound bound) {
    if (!entries_.is_open()) open();
    const auto cookie = cookie_of(socket);
    if (!cookie) return std::unexpected(-ENOTSUP);
    const bool has_message = bound.protocol == IPPROTO_TCP || bound.protocol == IPPROTO_UDP;
    const bool is_announced = has_message && network_ != 0 && network_of(socket) == network_;
    const auto [place, is_new] = sockets_.try_emplace(*cookie, Entry{std::move(bound), is_announced});
    if (!is_new) return std::unexpected(-EINVAL);
    epoll_event event{};
    event.data.u64 = *cookie;
    if (epoll_ctl(entries_.number(), EPOLL_CTL_ADD, socket.number(), &event) != 0) {
        const int error = errno;
        sockets_.erase(place);
        return std::unexpected(-error);
    }
    if (!is_announced) ++unannounced_;
    return &place->second.bound;
}

Bound BoundSockets::remove(const Descriptor& socket) {
    Bound removed;
    if (const auto cookie = cookie_of(socket)) removed = take(*cookie).value_or(Bound{});
    epoll_ctl(entries_.number(), EPOLL_CTL_DEL, socket.number(), nullptr);
    return removed;
}

std::optional<Bound> BoundSockets::take_any() {
    return sockets_.empty() ? std::nullopt : take(sockets_.begin()->first);
}

int BoundSockets::timeout() const {
    if (sockets_.empty()) return -1;
    const auto interval = unannounced_ != 0 ? kLookOften : kLookSeldom;
    const auto left = std::chrono::ceil<milliseconds>(looked_at_ + interval - Clock::now());
    return static_cast<int>(std::max(left, milliseconds(0)).count());
}

void BoundSockets::take_closed(const Tell& tell) {
    const bool has_read_all = read_messages(tell);
    if (!has_read_all || timeout() == 0) look_at_all(tell);
}

bool BoundSockets::read_messages(const Tell& tell) {
    std::array<std::byte, 16384> buffer;
    bool has_read_all = true;
    for (;;) {
        const ssize_t size = recv(messages_.number(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == ENOBUFS) {
            has_read_all = false;
            continue;
        }
        if (size <= 0) return has_read_all;
        for_each_cookie(std::span(buffer).first(static_cast<std::size_t>(size)),
                        [&](std::uint64_t cookie) { take(cookie, tell); });
    }
}

// A line of the epoll instance for each entry, with "data:" before its cookie in hexadecimal digits.
// Source: Linux Documentation/filesystems/proc.rst, section 3.8.
void BoundSockets::look_at_all(const Tell& tell) {
    looked_at_ = Clock::now();
    std::ifstream file(fmt::format("/proc/thread-self/fdinfo/{}", entries_.number()));
    if (!file) return;
    std::unordered_set<std::uint64_t> open;
    for (std::string line; std::getline(file, line);) {
        constexpr std::string_view kData = "data:";
        const std::size_t at = line.find(kData);
        if (at == std::string::npos) continue;
        const std::size_t digits = line.find_first_not_of(' ', at + kData.size());
        if (digits == std::string::npos) continue;
        std::uint64_t cookie = 0;
        const auto end = std::from_chars(line.data() + digits, line.data() + line.size(), cookie, 16);
        if (end.ec == std::errc{}) open.insert(cookie);
    }
    if (file.bad()) return;  // what was not read is not closed
    std::vector<std::uint64_t> gone;
    for (const auto& [cookie, entry] : sockets_) {
        if (!open.contains(cookie)) gone.push_back(cookie);
    }
    for (const std::uint64_t cookie : gone) take(cookie, tell);
}

std::optional<Bound> BoundSockets::take(std::uint64_t cookie) {
    const auto found = sockets_.find(cookie);
    if (found == sockets_.end()) return std::nullopt;
    std::optional<Bound> taken = std::move(found->second.bound);
    if (!found->second.is_announced) --unannounced_;
    sockets_.erase(found);
    return taken;
}

void BoundSockets::take(std::uint64_t cookie, const Tell& tell) {
    if (const auto taken = take(cookie)) tell(*taken);
}

}  // namespace ebpf::hooks::socket
