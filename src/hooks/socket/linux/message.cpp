// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/message.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "hooks/socket/linux/memory.hpp"
#include "hooks/socket/linux/target.hpp"

namespace ebpf::hooks::socket {
namespace {

constexpr std::size_t kMostControl = 20480;  // what kernels took before the limit was raised
constexpr int kSegment = 103;                // UDP_SEGMENT
constexpr std::size_t kInet4Bytes = 4;
constexpr std::size_t kMostPassed = 253;  // Source: Linux include/net/scm.h, SCM_MAX_FD

/// Hands each header in the control data, its place and its data to `take`, which says whether to go on.
/// Returns false if one is longer than what is left. Source: Linux net/socket.c, CMSG_OK().
template <typename Take>
bool for_each_header(std::span<const std::byte> control, const Take& take) {
    std::size_t at = 0;
    while (control.size() - at >= sizeof(cmsghdr)) {
        cmsghdr header;
        std::memcpy(&header, control.data() + at, sizeof header);
        if (header.cmsg_len < sizeof header || header.cmsg_len > control.size() - at) return false;
        const auto data = control.subspan(at + sizeof header, header.cmsg_len - sizeof header);
        if (!take(header, data)) return true;
        const std::size_t step = CMSG_ALIGN(header.cmsg_len);
        if (step >= control.size() - at) break;
        at += step;
    }
    return true;
}

bool is_plain(const cmsghdr& header) {
    switch (header.cmsg_level) {
        case IPPROTO_IP:
            return header.cmsg_type == IP_PKTINFO || header.cmsg_type == IP_TTL || header.cmsg_type == IP_TOS;
        case IPPROTO_IPV6:
            return header.cmsg_type == IPV6_PKTINFO || header.cmsg_type == IPV6_HOPLIMIT ||
                   header.cmsg_type == IPV6_TCLASS;
        case IPPROTO_UDP:
            return header.cmsg_type == kSegment;
        default:
            return false;
    }
}

/// Cuts `places` to `most`. Returns how many bytes they are then, or a negative errno.
std::expected<std::size_t, int> bound(std::vector<iovec>& places, MostData most) {
    std::size_t total = 0;
    for (iovec& place : places) {
        if (place.iov_len > SSIZE_MAX) return std::unexpected(-EINVAL);
        if (place.iov_len > most.bytes - total) {
            if (!most.may_cut) return std::unexpected(-EMSGSIZE);
            place.iov_len = most.bytes - total;
        }
        total += place.iov_len;
    }
    return total;
}

int read_data(int thread, std::vector<iovec> places, MostData most, std::vector<std::byte>& data) {
    const auto total = bound(places, most);
    if (!total) return total.error();
    data.resize(*total);
    return read_memory(thread, places, data);
}

template <typename T>
void append(std::vector<std::byte>& control, int level, int type, const T& value) {
    const std::size_t at = CMSG_ALIGN(control.size());
    control.resize(at + CMSG_SPACE(sizeof value));
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof value);
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::memcpy(control.data() + at, &header, sizeof header);
    std::memcpy(control.data() + at + CMSG_LEN(0), &value, sizeof value);
}

}  // namespace

std::expected<Message, int> read_plain(const Call& call, MostData most) {
    Message message;
    const std::size_t size = std::min<std::size_t>(call.arguments[2], SSIZE_MAX);
    const std::vector<iovec> places{{reinterpret_cast<void*>(call.arguments[1]), size}};
    if (const int error = read_data(call.thread, places, most, message.data); error != 0)
        return std::unexpected(error);
    if (call.arguments[4] == 0) return message;
    const auto address =
        read_address(call.thread, call.arguments[4], static_cast<std::int32_t>(call.arguments[5]));
    if (!address) return std::unexpected(address.error());
    message.destination = *address;
    return message;
}

// As Linux net/socket.c, copy_msghdr_from_user().
std::expected<Message, int> read_message(int thread, std::uint64_t pointer, MostData most) {
    msghdr header;
    const auto header_bytes = std::as_writable_bytes(std::span(&header, 1));
    if (const int error = read_memory(thread, pointer, header_bytes); error != 0)
        return std::unexpected(error);
    Message message;
    const auto name = reinterpret_cast<std::uint64_t>(header.msg_name);
    auto name_length = static_cast<std::int32_t>(header.msg_namelen);
    if (name != 0 && name_length < 0) return std::unexpected(-EINVAL);
    if (name != 0 && name_length > 0) {
        name_length = std::min(name_length, static_cast<std::int32_t>(sizeof(sockaddr_storage)));
        const auto address = read_address(thread, name, name_length);
        if (!address) return std::unexpected(address.error());
        message.destination = *address;
    }
    if (header.msg_iovlen > IOV_MAX) return std::unexpected(-EMSGSIZE);
    std::vector<iovec> places(header.msg_iovlen);
    const auto places_at = reinterpret_cast<std::uint64_t>(header.msg_iov);
    if (const int error = read_memory(thread, places_at, std::as_writable_bytes(std::span(places)));
        error != 0)
        return std::unexpected(error);
    if (header.msg_controllen > kMostControl) return std::unexpected(-ENOBUFS);
    message.control.resize(header.msg_controllen);
    const auto control_at = reinterpret_cast<std::uint64_t>(header.msg_control);
    if (const int error = read_memory(thread, control_at, message.control); error != 0)
        return std::unexpected(error);
    if (const int error = read_data(thread, std::move(places), most, message.data); error != 0)
        return std::unexpected(error);
    return message;
}

Asking control_asks(std::span<const std::byte> control) {
    Asking asking = Asking::Nothing;
    const bool is_whole = for_each_header(control, [&](const cmsghdr& header, auto) {
        if (!is_plain(header)) asking = Asking::Rights;
        return true;
    });
    return is_whole ? asking : Asking::Malformed;
}

int take_passed(Message& message, int thread, Callers& callers) {
    int error = 0;
    std::span<std::byte> control = message.control;
    const bool is_whole = for_each_header(control, [&](const cmsghdr& header, auto data) {
        if (header.cmsg_level != SOL_SOCKET) return true;
        if (header.cmsg_type == SCM_CREDENTIALS) error = -EPERM;
        if (header.cmsg_type != SCM_RIGHTS) return error == 0;
        for (std::size_t at = 0; at + sizeof(int) <= data.size() && error == 0; at += sizeof(int)) {
            if (message.passed.size() == kMostPassed) {
                error = -EINVAL;
                break;
            }
            int number = -1;
            std::memcpy(&number, data.data() + at, sizeof number);
            auto taken = callers.take_descriptor(thread, number);
            if (!taken) {
                error = taken.error();
                break;
            }
            number = taken->number();
            std::memcpy(control.data() + (data.data() - control.data()) + at, &number, sizeof number);
            message.passed.push_back(*std::move(taken));
        }
        return error == 0;
    });
    return is_whole ? error : -EINVAL;
}

void read_source(std::span<const std::byte> control, std::span<std::byte> to) {
    static_cast<void>(for_each_header(control, [&](const cmsghdr& header, auto data) {
        if (to.size() == kInet4Bytes && header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO &&
            data.size() >= sizeof(in_pktinfo)) {
            std::memcpy(to.data(), data.data() + offsetof(in_pktinfo, ipi_spec_dst), to.size());
        }
        if (to.size() != kInet4Bytes && header.cmsg_level == IPPROTO_IPV6 &&
            header.cmsg_type == IPV6_PKTINFO && data.size() >= sizeof(in6_pktinfo)) {
            std::memcpy(to.data(), data.data() + offsetof(in6_pktinfo, ipi6_addr), to.size());
        }
        return true;
    }));
}

void put_source(std::span<const std::byte> address, std::vector<std::byte>& control) {
    if (address.size() == kInet4Bytes) {
        in_pktinfo information{};
        std::memcpy(&information.ipi_spec_dst, address.data(), address.size());
        append(control, IPPROTO_IP, IP_PKTINFO, information);
        return;
    }
    in6_pktinfo information{};
    std::memcpy(&information.ipi6_addr, address.data(), address.size());
    append(control, IPPROTO_IPV6, IPV6_PKTINFO, information);
}

}  // namespace ebpf::hooks::socket
