// SPDX-License-Identifier: MIT
#include "service/linux/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/rights.hpp"

namespace ebpf::service {
namespace {

constexpr std::size_t kChunkBytes = 65536;

std::unexpected<Error> lost(int number) {
    return fail(Status::ConnectionLost, number == 0 ? "the client has gone" : std::strerror(number));
}

bool would_block(int number) {
    return number == EAGAIN || number == EINTR;
}

}  // namespace

std::span<std::byte> Connection::next_part() {
    if (header_done_ < header_bytes_.size()) return std::span(header_bytes_).subspan(header_done_);
    const std::size_t left = incoming_.header.payload_bytes - payload_done_;
    incoming_.payload.resize(payload_done_ + std::min(left, kChunkBytes));
    return std::span(incoming_.payload).subspan(payload_done_);
}

/// Counts bytes that arrived. Returns true when the message is whole.
Result<bool> Connection::advance(std::size_t got) {
    if (header_done_ < header_bytes_.size()) {
        header_done_ += got;
        if (header_done_ < header_bytes_.size()) return false;
        EBPF_TRY(incoming_.header, protocol::decode_header(header_bytes_));
    } else {
        payload_done_ += got;
    }
    return payload_done_ == incoming_.header.payload_bytes;
}

Result<std::optional<Incoming>> Connection::receive() {
    while (true) {
        const ssize_t got = platform::receive_with_rights(socket(), next_part(), incoming_.descriptors);
        if (got < 0 && would_block(errno)) return std::nullopt;
        if (got < 0 && errno == EMSGSIZE) return fail(Status::TooBig, "message has too many descriptors");
        if (got <= 0) return lost(got < 0 ? errno : 0);
        EBPF_TRY(const bool is_whole, advance(static_cast<std::size_t>(got)));
        if (incoming_.descriptors.size() > spec::kMaxMessageHandles)
            return fail(Status::TooBig, "message has too many descriptors");
        if (!is_whole) continue;
        if (incoming_.descriptors.size() != incoming_.header.handles) {
            return fail(Status::Malformed,
                        fmt::format("message came with {} descriptors, its header says {}",
                                    incoming_.descriptors.size(), incoming_.header.handles));
        }
        header_done_ = 0;
        payload_done_ = 0;
        return std::exchange(incoming_, {});
    }
}

void Connection::queue(std::vector<std::byte> frame, std::vector<platform::Descriptor> descriptors) {
    output_ = std::move(frame);
    output_descriptors_ = std::move(descriptors);
    sent_ = 0;
}

Result<void> Connection::flush() {
    while (has_output()) {
        std::vector<int> numbers;
        numbers.reserve(output_descriptors_.size());
        for (const auto& descriptor : output_descriptors_) numbers.push_back(descriptor.number());
        const ssize_t done = platform::send_with_rights(socket(), std::span(output_).subspan(sent_), numbers);
        if (done < 0 && would_block(errno)) return {};
        if (done < 0) return lost(errno);
        output_descriptors_.clear();
        sent_ += static_cast<std::size_t>(done);
    }
    output_.clear();
    sent_ = 0;
    return {};
}

}  // namespace ebpf::service
