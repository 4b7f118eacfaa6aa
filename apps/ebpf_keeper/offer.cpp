// SPDX-License-Identifier: MIT
#include "offer.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "platform/linux/rights.hpp"
#include "platform/linux/socket_path.hpp"
#include "protocol/frame.hpp"

namespace ebpf::keeper {
namespace {

using platform::Descriptor;

Taken refused(std::string_view what, int error) {
    std::string text(what);
    if (error != 0) text.append(": ").append(std::strerror(error));
    protocol::Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::TreeHook);
    header.status = static_cast<std::uint32_t>(Status::Environment);
    return {{}, protocol::encode_frame(header, std::as_bytes(std::span(text)))};
}

/// False: the last process of the tree ended before there was an answer.
bool wait_for_answer(int socket, int listener) {
    for (;;) {
        pollfd sources[] = {{socket, POLLIN, 0}, {listener, 0, 0}};
        if (poll(sources, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return true;
        }
        if (sources[1].revents != 0) return false;
        if (sources[0].revents != 0) return true;
    }
}

}  // namespace

Taken Offer::make(int listener, int ledger) const {
    const auto address = platform::socket_address(socket_);
    if (!address) return refused(address.error().message(), 0);
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return refused("socket", errno);
    if (connect(socket.number(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0)
        return refused("no daemon answers at " + socket_, errno);
    const int descriptors[] = {listener, ledger};
    // One that refuses says why before it hangs up: go on to read that.
    if (!platform::send_all(socket.number(), request_, descriptors) && errno != EPIPE && errno != ECONNRESET)
        return refused(socket_, errno);
    if (!wait_for_answer(socket.number(), listener)) return refused("the process tree has ended", 0);

    Taken taken;
    std::vector<Descriptor> handles;
    std::array<std::byte, protocol::kHeaderBytes> header_bytes{};
    if (!platform::receive_all(socket.number(), header_bytes, handles))
        return refused(socket_ + ": the daemon hung up", 0);
    const auto header = protocol::decode_header(header_bytes);
    if (!header) return refused(header.error().message(), 0);
    std::vector<std::byte> payload(header->payload_bytes);
    if (!platform::receive_all(socket.number(), payload, handles))
        return refused(socket_ + ": the daemon hung up", 0);
    if (header->status == 0 && !handles.empty()) taken.life = std::move(handles.front());
    taken.reply = protocol::encode_frame(*header, payload);
    return taken;
}

}  // namespace ebpf::keeper
