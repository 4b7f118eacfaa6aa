// SPDX-License-Identifier: MIT
// IPv4 UDP frames. Source: RFC 791, RFC 768, RFC 1071.
#include "tools/udp_frames.hpp"

#include <algorithm>

namespace ebpf::tools {
namespace {

constexpr std::size_t kMinimumFrame = 60;
constexpr std::uint8_t kUdp = 17;

/// Appends big-endian fields.
class Writer {
  public:
    explicit Writer(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
    void u8(unsigned value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }
    void u16(std::size_t value) {
        u8(static_cast<unsigned>(value >> 8 & 0xff));
        u8(static_cast<unsigned>(value & 0xff));
    }
    void u32(std::uint32_t value) {
        u16(value >> 16);
        u16(value & 0xffff);
    }
    void bytes(std::span<const std::uint8_t> more) { bytes_.insert(bytes_.end(), more.begin(), more.end()); }

  private:
    std::vector<std::uint8_t>& bytes_;
};

std::uint32_t sum(std::span<const std::uint8_t> bytes) {
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        total += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    return total;
}

std::uint16_t fold(std::uint32_t total) {
    while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint16_t>(~total);
}

void store(std::vector<std::uint8_t>& frame, std::size_t at, std::uint16_t value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

}  // namespace

std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes) {
    return fold(sum(bytes));
}

std::vector<std::uint8_t> make_udp_frame(const UdpEndpoint& source, const UdpEndpoint& target,
                                         std::span<const std::uint8_t> payload) {
    constexpr std::size_t kIp = 14;
    constexpr std::size_t kUdpAt = kIp + 20;
    const std::size_t udp_bytes = 8 + payload.size();
    std::vector<std::uint8_t> frame;
    frame.reserve(std::max(kMinimumFrame, kUdpAt + udp_bytes));
    Writer writer(frame);
    writer.bytes(target.mac);
    writer.bytes(source.mac);
    writer.u16(0x0800);
    writer.u16(0x4500);
    writer.u16(20 + udp_bytes);
    writer.u32(0);  // identification, no fragment
    writer.u8(64);  // time to live
    writer.u8(kUdp);
    writer.u16(0);  // header checksum, below
    writer.u32(source.address);
    writer.u32(target.address);
    writer.u16(source.port);
    writer.u16(target.port);
    writer.u16(udp_bytes);
    writer.u16(0);  // checksum, below
    writer.bytes(payload);

    const std::span<const std::uint8_t> view(frame);
    store(frame, kIp + 10, internet_checksum(view.subspan(kIp, 20)));
    const std::uint32_t pseudo =
        sum(view.subspan(kIp + 12, 8)) + kUdp + static_cast<std::uint32_t>(udp_bytes);
    const std::uint16_t checksum = fold(pseudo + sum(view.subspan(kUdpAt, udp_bytes)));
    store(frame, kUdpAt + 6, checksum == 0 ? 0xffff : checksum);
    frame.resize(std::max(kMinimumFrame, frame.size()));
    return frame;
}

}  // namespace ebpf::tools
