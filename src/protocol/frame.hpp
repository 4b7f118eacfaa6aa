// SPDX-License-Identifier: MIT
// The frame around a message on a byte stream: a header of fixed size, then the fields.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "protocol/messages.hpp"

namespace ebpf::protocol {

/// The header. A request's status is 0. A reply repeats the operation; if its status is not Ok the payload is
/// the error's text instead of the reply's fields.
struct Header {
    std::uint32_t version = spec::kProtocolVersion;
    std::uint32_t operation = 0;
    std::uint32_t status = 0;
    std::uint32_t payload_bytes = 0;
    std::uint32_t handles = 0;  ///< how many handles go with the message
};
inline constexpr std::size_t kHeaderBytes = 20;
static_assert(sizeof(Header) == kHeaderBytes);

/// Returns header and payload as they go over the wire.
std::vector<std::byte> encode_frame(const Header& header, std::span<const std::byte> payload);

/// Checks a header. Errors: VersionMismatch; TooBig - payload or handles; NotSupported - operation.
Result<Header> decode_header(std::span<const std::byte, kHeaderBytes> bytes);

/// Makes the frame of a reply: its fields, or the error.
std::vector<std::byte> frame_of_reply(std::uint32_t operation, const Result<AnyReply>& reply,
                                      std::uint32_t handles);

/// Reads back what frame_of_reply() framed. The error is the context's own. Errors: also Malformed.
Result<AnyReply> reply_of_frame(const Header& header, std::span<const std::byte> payload);

}  // namespace ebpf::protocol
