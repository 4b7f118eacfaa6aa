// SPDX-License-Identifier: MIT
#include "platform/linux/rights.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ebpf::platform {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxRights * sizeof(int));

struct alignas(cmsghdr) Control {
    std::array<char, kControlBytes> bytes;
};

void take_rights(const cmsghdr& header, std::vector<Descriptor>& received) {
    const std::size_t count = (header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
        int number = -1;
        std::memcpy(&number, CMSG_DATA(&header) + i * sizeof(int), sizeof(number));
        received.emplace_back(number);
    }
}

}  // namespace

ssize_t send_with_rights(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    Control control{};
    if (!descriptors.empty()) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t receive_with_rights(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& received) {
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    Control control{};
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return got;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            take_rights(*header, received);
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        errno = EMSGSIZE;
        return -1;
    }
    return got;
}

bool send_all(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
    while (!bytes.empty()) {
        const ssize_t done = send_with_rights(socket, bytes, descriptors);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(done));
        descriptors = {};
    }
    return true;
}

bool receive_all(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& received) {
    while (!bytes.empty()) {
        const ssize_t got = receive_with_rights(socket, bytes, received);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = 0;
        if (got <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

}  // namespace ebpf::platform
