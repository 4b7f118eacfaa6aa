// SPDX-License-Identifier: MIT
// Netlink messages and answers. Source: RFC 3549; linux/netlink.h.
#include "hooks/xdp/linux/netlink.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::xdp {
namespace {

constexpr std::size_t kReceiveBytes = std::size_t{64} * 1024;
constexpr std::uint16_t kTypeMask = 0x3fff;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
constexpr int kTimeoutSeconds = 10;

constexpr std::size_t aligned(std::size_t size) {
    return (size + 3) & ~std::size_t{3};
}

/// Calls `visit(header, payload)` for each whole message in `bytes` until it returns false.
template <typename Visit>
void for_each_message(std::span<const std::byte> bytes, Visit visit) {
    while (bytes.size() >= sizeof(nlmsghdr)) {
        nlmsghdr header;
        std::memcpy(&header, bytes.data(), sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > bytes.size()) return;
        if (!visit(header, bytes.subspan(sizeof(header), header.nlmsg_len - sizeof(header)))) return;
        bytes = bytes.subspan(std::min(bytes.size(), aligned(header.nlmsg_len)));
    }
}

/// The text that the kernel attached to an error (extended acknowledgement), or empty.
std::string_view kernel_text(const nlmsghdr& header, std::span<const std::byte> payload) {
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    nlmsgerr error;
    std::memcpy(&error, payload.data(), sizeof(error));
    std::size_t skip = sizeof(error);
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) skip += aligned(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    if (skip > payload.size()) return {};
    AttributeReader attributes(payload.subspan(skip));
    while (attributes.next()) {
        if (attributes.type() == NLMSGERR_ATTR_MSG) return attributes.text();
    }
    return {};
}

/// The verdict of an NLMSG_ERROR message.
Outcome<void> acknowledged(const nlmsghdr& header, std::span<const std::byte> payload) {
    if (payload.size() < sizeof(nlmsgerr)) return failure(EIO, "netlink: answer is too short");
    nlmsgerr error;
    std::memcpy(&error, payload.data(), sizeof(error));
    if (error.error == 0) return {};
    const std::string_view text = kernel_text(header, payload);
    return system_failure(-error.error, text.empty() ? "netlink" : text);
}

}  // namespace

void NetlinkRequest::append(const void* bytes, std::size_t size) {
    const std::size_t start = bytes_.size();
    bytes_.resize(start + aligned(size));
    if (size != 0) std::memcpy(bytes_.data() + start, bytes, size);
    grow_message();
}

void NetlinkRequest::grow_message() {
    const auto length = static_cast<std::uint32_t>(bytes_.size() - message_);
    std::memcpy(bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
}

void NetlinkRequest::begin_message(std::uint16_t type, std::uint16_t flags) {
    message_ = bytes_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    append(&header, sizeof(header));
}

void NetlinkRequest::attribute(std::uint16_t type, const void* bytes, std::size_t size) {
    const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + size), .nla_type = type};
    append(&header, sizeof(header));
    append(bytes, size);
}

void NetlinkRequest::text(std::uint16_t type, std::string_view value) {
    const std::string terminated(value);
    attribute(type, terminated.c_str(), terminated.size() + 1);
}

void NetlinkRequest::value_big_endian(std::uint16_t type, std::uint32_t number) {
    value(type, htonl(number));
}

std::size_t NetlinkRequest::nest(std::uint16_t type) {
    const std::size_t mark = bytes_.size();
    attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), nullptr, 0);
    return mark;
}

void NetlinkRequest::end(std::size_t mark) {
    const auto length = static_cast<std::uint16_t>(bytes_.size() - mark);
    std::memcpy(bytes_.data() + mark + offsetof(nlattr, nla_len), &length, sizeof(length));
}

bool AttributeReader::next() {
    nlattr header;
    if (rest_.size() < sizeof(header)) return false;
    std::memcpy(&header, rest_.data(), sizeof(header));
    if (header.nla_len < sizeof(header) || header.nla_len > rest_.size()) return false;
    type_ = header.nla_type & kTypeMask;
    payload_ = rest_.subspan(sizeof(header), header.nla_len - sizeof(header));
    rest_ = rest_.subspan(std::min(rest_.size(), aligned(header.nla_len)));
    return true;
}

std::string_view AttributeReader::text() const {
    const char* characters = reinterpret_cast<const char*>(payload_.data());
    return {characters, strnlen(characters, payload_.size())};
}

Outcome<NetlinkSocket> NetlinkSocket::open(int protocol) {
    FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd.is_open()) return system_failure(errno, "netlink socket");
    const int one = 1;
    const timeval limit{.tv_sec = kTimeoutSeconds, .tv_usec = 0};
    // Error texts and short acknowledgements are conveniences: a kernel without them still answers.
    setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_nl self{};
    self.nl_family = AF_NETLINK;
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof(self)) != 0) {
        return system_failure(errno, "netlink bind");
    }
    return NetlinkSocket(std::move(fd));
}

Outcome<std::uint32_t> NetlinkSocket::send(NetlinkRequest& request) {
    const std::uint32_t first = sequence_ + 1;
    const std::span<std::byte> bytes = request.bytes();
    for (std::size_t at = 0; at < bytes.size();) {
        nlmsghdr header;
        std::memcpy(&header, bytes.data() + at, sizeof(header));
        header.nlmsg_seq = ++sequence_;
        std::memcpy(bytes.data() + at, &header, sizeof(header));
        at += aligned(header.nlmsg_len);
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
               sizeof(kernel)) < 0) {
        return system_failure(errno, "netlink send");
    }
    return first;
}

Outcome<std::span<const std::byte>> NetlinkSocket::receive() {
    buffer_.resize(kReceiveBytes);
    for (;;) {
        const ssize_t count = recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
        if (count >= 0) return std::span<const std::byte>(buffer_.data(), static_cast<std::size_t>(count));
        if (errno == EINTR) continue;
        return system_failure(errno == EAGAIN ? ETIMEDOUT : errno, "netlink receive");
    }
}

Outcome<void> NetlinkSocket::transact(NetlinkRequest& request) {
    std::size_t waiting = 0;
    for_each_message(request.bytes(), [&](const nlmsghdr& header, auto) {
        if ((header.nlmsg_flags & NLM_F_ACK) != 0) ++waiting;
        return true;
    });
    const auto first = send(request);
    if (!first) return std::unexpected(first.error());
    Outcome<void> outcome;
    while (waiting > 0) {
        const auto bytes = receive();
        if (!bytes) return std::unexpected(bytes.error());
        for_each_message(*bytes, [&](const nlmsghdr& header, std::span<const std::byte> payload) {
            // Late answers to an earlier, failed batch carry older numbers.
            if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq < *first) return true;
            outcome = acknowledged(header, payload);
            waiting = outcome ? waiting - 1 : 0;
            return waiting > 0;
        });
    }
    return outcome;
}

Outcome<std::vector<std::byte>> NetlinkSocket::query(NetlinkRequest& request) {
    const auto first = send(request);
    if (!first) return std::unexpected(first.error());
    for (;;) {
        const auto bytes = receive();
        if (!bytes) return std::unexpected(bytes.error());
        Outcome<std::vector<std::byte>> answer;
        bool is_answered = false;
        for_each_message(*bytes, [&](const nlmsghdr& header, std::span<const std::byte> payload) {
            if (header.nlmsg_seq < *first) return true;
            is_answered = true;
            if (header.nlmsg_type != NLMSG_ERROR) {
                answer = std::vector<std::byte>(payload.begin(), payload.end());
            } else if (auto verdict = acknowledged(header, payload); !verdict) {
                answer = std::unexpected(verdict.error());
            }
            return false;
        });
        if (is_answered) return answer;
    }
}

}  // namespace ebpf::hooks::xdp
