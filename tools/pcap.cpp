// SPDX-License-Identifier: MIT
// The classic pcap format. Source: draft-ietf-opsawg-pcap.
#include "tools/pcap.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::tools {
namespace {

constexpr std::uint32_t kMagicMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kMagicNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kEthernet = 1;
constexpr std::uint32_t kMaximumPacket = 262144;
constexpr std::size_t kFileHeaderBytes = 24;
constexpr std::size_t kLinkTypeOffset = 20;
constexpr std::size_t kRecordHeaderBytes = 16;
constexpr std::size_t kCapturedOffset = 8;

struct Header {
    bool is_swapped = false;
};

std::uint32_t swapped_if(std::uint32_t value, bool is_swapped) {
    return is_swapped ? __builtin_bswap32(value) : value;
}

Result<Header> read_header(const ByteReader& file) {
    const auto magic = file.read<std::uint32_t>(0);
    const auto link_type = file.read<std::uint32_t>(kLinkTypeOffset);
    if (!magic || !link_type) return fail(Status::Malformed, "not a pcap file: shorter than its header");
    Header header;
    for (const std::uint32_t known : {kMagicMicroseconds, kMagicNanoseconds}) {
        if (*magic != known && *magic != __builtin_bswap32(known)) continue;
        header.is_swapped = *magic != known;
        const std::uint32_t type = swapped_if(*link_type, header.is_swapped);
        if (type != kEthernet)
            return fail(Status::NotSupported, fmt::format("pcap link type {} is not Ethernet", type));
        return header;
    }
    return fail(Status::Malformed, fmt::format("not a pcap file: it starts with 0x{:08x}", *magic));
}

}  // namespace

Result<std::vector<Packet>> read_pcap(std::span<const std::byte> bytes) {
    const ByteReader file(bytes);
    EBPF_TRY(const Header header, read_header(file));
    std::vector<Packet> packets;
    for (std::uint64_t at = kFileHeaderBytes; at < bytes.size();) {
        const auto truncated = [&] {
            return fail(Status::Truncated,
                        fmt::format("packet {} is cut off at offset {}", packets.size(), at));
        };
        const auto captured = file.read<std::uint32_t>(at + kCapturedOffset);
        if (!captured) return truncated();
        const std::uint32_t size = swapped_if(*captured, header.is_swapped);
        if (size > kMaximumPacket) {
            return fail(Status::Malformed, fmt::format("packet {} at offset {}: {} bytes are more than {}",
                                                       packets.size(), at, size, kMaximumPacket));
        }
        const auto data = file.slice(at + kRecordHeaderBytes, size);
        if (!data) return truncated();
        const auto* first = reinterpret_cast<const std::uint8_t*>(data->data());
        packets.emplace_back(first, first + size);
        at += kRecordHeaderBytes + size;
    }
    return packets;
}

bool write_pcap(std::FILE* file, std::span<const Packet> packets) {
    static_assert(std::endian::native == std::endian::little);
    const std::uint32_t header[] = {kMagicMicroseconds, 2 | 4 << 16, 0, 0, kMaximumPacket, kEthernet};
    bool is_written = std::fwrite(header, sizeof(header), 1, file) == 1;
    std::uint32_t microseconds = 0;
    for (const Packet& packet : packets) {
        const auto size = static_cast<std::uint32_t>(packet.size());
        const std::uint32_t record[] = {microseconds / 1'000'000, microseconds % 1'000'000, size, size};
        ++microseconds;
        is_written = is_written && std::fwrite(record, sizeof(record), 1, file) == 1;
        is_written = is_written && std::fwrite(packet.data(), 1, size, file) == size;
    }
    return is_written;
}

}  // namespace ebpf::tools
