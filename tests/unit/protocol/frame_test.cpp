// SPDX-License-Identifier: MIT
#include "protocol/frame.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace ebpf::protocol {
namespace {

std::span<const std::byte, kHeaderBytes> header_of(const std::vector<std::byte>& frame) {
    return std::span(frame).first<kHeaderBytes>();
}

TEST(Frame, HeaderComesBack) {
    Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::MapLookup);
    header.handles = 2;
    const std::vector<std::byte> payload(3, std::byte{1});
    const auto frame = encode_frame(header, payload);
    ASSERT_EQ(frame.size(), kHeaderBytes + 3);
    const auto back = decode_header(header_of(frame));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->operation, 1U);
    EXPECT_EQ(back->handles, 2U);
    EXPECT_EQ(back->payload_bytes, 3U);
}

Status refusal_of(const Header& header) {
    std::vector<std::byte> bytes(kHeaderBytes);
    std::memcpy(bytes.data(), &header, kHeaderBytes);
    const auto back = decode_header(header_of(bytes));
    return back ? Status::Ok : back.error().status();
}

TEST(Frame, RefusesWhatIsBeyondTheLimits) {
    Header header;
    header.operation = 1;
    EXPECT_EQ(refusal_of(header), Status::Ok);
    header.payload_bytes = static_cast<std::uint32_t>(spec::kMaxMessageBytes);
    EXPECT_EQ(refusal_of(header), Status::Ok);
    header.payload_bytes += 1;
    EXPECT_EQ(refusal_of(header), Status::TooBig);
    header.payload_bytes = 0;
    header.handles = spec::kMaxMessageHandles + 1;
    EXPECT_EQ(refusal_of(header), Status::TooBig);
    header.handles = 0;
    header.operation = 9;
    EXPECT_EQ(refusal_of(header), Status::NotSupported);
    header.operation = 1;
    header.version = spec::kProtocolVersion + 1;
    EXPECT_EQ(refusal_of(header), Status::VersionMismatch);
}

TEST(Frame, RepliesAndErrorsComeBack) {
    MapNextIdReply reply;
    reply.id = 17;
    const auto number = static_cast<std::uint32_t>(spec::Operation::MapNextId);
    auto frame = frame_of_reply(number, AnyReply(reply), 1);
    auto header = decode_header(header_of(frame)).value();
    EXPECT_EQ(header.handles, 1U);
    const auto back = reply_of_frame(header, std::span(frame).subspan(kHeaderBytes));
    ASSERT_TRUE(back);
    EXPECT_EQ(std::get<MapNextIdReply>(*back).id, 17U);

    frame = frame_of_reply(number, fail(Status::NotFound, "no map after 17"), 1);
    header = decode_header(header_of(frame)).value();
    EXPECT_EQ(header.handles, 0U);
    const auto error = reply_of_frame(header, std::span(frame).subspan(kHeaderBytes));
    ASSERT_FALSE(error);
    EXPECT_EQ(error.error().status(), Status::NotFound);
    EXPECT_EQ(error.error().message(), "no map after 17");

    header.status = 999;
    EXPECT_EQ(reply_of_frame(header, {}).error().status(), Status::Malformed);
}

}  // namespace
}  // namespace ebpf::protocol
