// SPDX-License-Identifier: MIT
#include "protocol/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace ebpf::protocol {

std::vector<std::byte> encode_frame(const Header& header, std::span<const std::byte> payload) {
    Header complete = header;
    complete.payload_bytes = static_cast<std::uint32_t>(payload.size());
    std::vector<std::byte> frame(kHeaderBytes + payload.size());
    std::memcpy(frame.data(), &complete, kHeaderBytes);
    std::copy(payload.begin(), payload.end(), frame.begin() + kHeaderBytes);
    return frame;
}

Result<Header> decode_header(std::span<const std::byte, kHeaderBytes> bytes) {
    Header header;
    std::memcpy(&header, bytes.data(), kHeaderBytes);
    if (header.version != spec::kProtocolVersion) {
        return fail(Status::VersionMismatch,
                    fmt::format("message has protocol version {}, this side speaks {}", header.version,
                                spec::kProtocolVersion));
    }
    if (header.payload_bytes > spec::kMaxMessageBytes) {
        return fail(Status::TooBig, fmt::format("message has {} bytes, at most {} are allowed",
                                                header.payload_bytes, spec::kMaxMessageBytes));
    }
    if (header.handles > spec::kMaxMessageHandles) {
        return fail(Status::TooBig, fmt::format("message has {} handles, at most {} are allowed",
                                                header.handles, spec::kMaxMessageHandles));
    }
    if (spec::find_operation(header.operation) == nullptr) {
        return fail(Status::NotSupported,
                    fmt::format("there is no operation with number {:#x}", header.operation));
    }
    return header;
}

std::vector<std::byte> frame_of_reply(std::uint32_t operation, const Result<AnyReply>& reply,
                                      std::uint32_t handles) {
    Header header;
    header.operation = operation;
    Result<std::vector<std::byte>> payload =
        reply ? encode_reply(*reply) : std::unexpected<Error>(reply.error());
    if (payload) {
        header.handles = handles;
        return encode_frame(header, *payload);
    }
    header.status = static_cast<std::uint32_t>(payload.error().status());
    const std::string_view text = payload.error().message();
    return encode_frame(header, std::as_bytes(std::span(text.substr(0, spec::kMaxErrorBytes))));
}

Result<AnyReply> reply_of_frame(const Header& header, std::span<const std::byte> payload) {
    if (header.status == 0) return decode_reply(header.operation, payload);
    const auto status = static_cast<Status>(header.status);
    if (std::string_view(status_name(status)) == "Unknown") {
        return fail(Status::Malformed, fmt::format("reply has status {}, which is unknown", header.status));
    }
    return fail(status, std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

}  // namespace ebpf::protocol
