// SPDX-License-Identifier: MIT
#include "client/linux/socket_backend.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "platform/linux/rights.hpp"
#include "platform/linux/socket_path.hpp"
#include "protocol/frame.hpp"

namespace ebpf::client {
namespace {

using platform::Descriptor;

class SocketHandle final : public HandleState {
  public:
    explicit SocketHandle(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
    [[nodiscard]] int number() const { return descriptor_.number(); }

  private:
    Descriptor descriptor_;
};

Status status_of(int number) {
    if (number == ENOENT || number == ECONNREFUSED) return Status::NotFound;
    if (number == EACCES || number == EPERM) return Status::AccessDenied;
    return Status::Environment;
}

struct NumberOf {
    std::uint32_t operator()(const std::monostate&) const { return 0; }
    template <typename Request>
    std::uint32_t operator()(const Request&) const {
        return static_cast<std::uint32_t>(Request::kOperation);
    }
};

}  // namespace

Result<std::unique_ptr<SocketBackend>> SocketBackend::connect(const std::string& path) {
    EBPF_TRY(const sockaddr_un address, platform::socket_address(path));
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return fail(Status::Environment, fmt::format("socket: {}", std::strerror(errno)));
    if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const int number = errno;
        return fail(status_of(number),
                    fmt::format("no daemon answers at {}: {}", path, std::strerror(number)));
    }
    return std::unique_ptr<SocketBackend>(new SocketBackend(std::move(socket), path));
}

Result<void> SocketBackend::send(std::span<const std::byte> frame, std::span<const int> descriptors) {
    if (platform::send_all(socket_.number(), frame, descriptors)) return {};
    // A daemon that refuses says why before it hangs up: go on to read that.
    if (errno == EPIPE || errno == ECONNRESET) return {};
    return fail(Status::ConnectionLost, fmt::format("{}: {}", path_, std::strerror(errno)));
}

Result<void> SocketBackend::receive(std::span<std::byte> bytes, std::vector<Descriptor>& descriptors) {
    if (platform::receive_all(socket_.number(), bytes, descriptors)) return {};
    return fail(Status::ConnectionLost,
                fmt::format("{}: {}", path_, errno == 0 ? "the daemon hung up" : std::strerror(errno)));
}

Result<Answer> SocketBackend::call(const protocol::AnyRequest& request,
                                   std::span<const Handle* const> handles) {
    std::vector<int> numbers;
    for (const Handle* handle : handles) {
        const auto* remote = dynamic_cast<const SocketHandle*>(handle->state());
        if (remote == nullptr) return fail(Status::BadHandle, "the handle belongs to another context");
        numbers.push_back(remote->number());
    }
    EBPF_TRY(const auto payload, protocol::encode_request(request));
    if (payload.size() > spec::kMaxMessageBytes || numbers.size() > spec::kMaxMessageHandles) {
        return fail(Status::TooBig,
                    fmt::format("the request has {} bytes and {} handles", payload.size(), numbers.size()));
    }
    protocol::Header header;
    header.operation = std::visit(NumberOf{}, request);
    header.handles = static_cast<std::uint32_t>(numbers.size());
    EBPF_TRY_VOID(send(protocol::encode_frame(header, payload), numbers));

    std::array<std::byte, protocol::kHeaderBytes> header_bytes{};
    std::vector<Descriptor> descriptors;
    EBPF_TRY_VOID(receive(header_bytes, descriptors));
    EBPF_TRY(const auto reply_header, protocol::decode_header(header_bytes));
    if (reply_header.status == 0 && reply_header.operation != header.operation)
        return fail(Status::Malformed, "the daemon answered another operation");
    std::vector<std::byte> answer_bytes(reply_header.payload_bytes);
    EBPF_TRY_VOID(receive(answer_bytes, descriptors));
    Answer answer;
    EBPF_TRY(answer.reply, protocol::reply_of_frame(reply_header, answer_bytes));
    if (descriptors.size() != reply_header.handles)
        return fail(Status::Malformed, "the daemon's handles do not match");
    for (auto& descriptor : descriptors) {
        answer.handles.emplace_back(std::make_unique<SocketHandle>(std::move(descriptor)));
    }
    return answer;
}

}  // namespace ebpf::client
