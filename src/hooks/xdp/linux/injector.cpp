// SPDX-License-Identifier: MIT
// sendmmsg(2) on an AF_PACKET socket with PACKET_VNET_HDR and SO_MARK. Source: packet(7), socket(7).
#include "hooks/xdp/linux/injector.hpp"

#include <linux/if_packet.h>

#include <cerrno>
#include <cstring>

#include "hooks/xdp/linux/marks.hpp"

namespace ebpf::hooks::xdp {
namespace {

constexpr int kSendBufferBytes = 4 * 1024 * 1024;

}  // namespace

Injector::Injector(FileDescriptor socket)
    : socket_(std::move(socket)),
      messages_(std::make_unique<std::array<mmsghdr, kBatch>>()),
      slots_(std::make_unique<std::array<Slot, kBatch>>()) {
    for (std::size_t i = 0; i < kBatch; ++i) {
        Slot& slot = (*slots_)[i];
        slot.parts[0] = {.iov_base = &slot.offload, .iov_len = sizeof(slot.offload)};
        (*messages_)[i].msg_hdr.msg_iov = slot.parts;
        (*messages_)[i].msg_hdr.msg_iovlen = 2;
    }
}

Outcome<Injector> Injector::open(std::uint32_t device) {
    FileDescriptor fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) return system_failure(errno, "packet socket");
    const int one = 1;
    if (setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0) {
        return system_failure(errno, "PACKET_VNET_HDR");
    }
    if (setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &kMarkBase, sizeof(kMarkBase)) != 0) {
        return system_failure(errno, "SO_MARK");
    }
    if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBufferBytes, sizeof(kSendBufferBytes)) != 0) {
        return system_failure(errno, "SO_SNDBUFFORCE");
    }
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(device);
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return system_failure(errno, "bind of the packet socket");
    }
    return Injector(std::move(fd));
}

void Injector::add(const Frame& frame) {
    Slot& slot = (*slots_)[count_];
    msghdr& message = (*messages_)[count_].msg_hdr;
    ++count_;
    slot.offload = frame.offload;
    slot.parts[1] = {.iov_base = frame.data, .iov_len = frame.length};
    const std::uint32_t type = frame.packet_type & kMarkTypeMask;
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    if (type == PACKET_HOST) return;  // the socket's own mark says so
    message.msg_control = slot.control;
    message.msg_controllen = sizeof(slot.control);
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SO_MARK;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint32_t));
    const std::uint32_t mark = kMarkBase + type;
    std::memcpy(CMSG_DATA(control), &mark, sizeof(mark));
}

std::size_t Injector::flush() {
    std::size_t refused = 0;
    for (std::size_t done = 0; done < count_;) {
        const int sent =
            sendmmsg(socket_.get(), messages_->data() + done, static_cast<unsigned>(count_ - done), 0);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
        } else if (errno != EINTR) {
            ++refused;  // the first of the rest is at fault: go on behind it
            ++done;
        }
    }
    count_ = 0;
    return refused;
}

}  // namespace ebpf::hooks::xdp
