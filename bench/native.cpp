// SPDX-License-Identifier: MIT
#include "native.hpp"

#include <cstring>

namespace ebpf::bench {

std::uint64_t arithmetic(std::uint64_t rounds) {
    std::uint64_t sum = 0;
    for (; rounds != 0; --rounds) {
        sum += rounds;
        sum ^= 7;
        sum *= 3;
        sum += sum >> 3U;
    }
    return sum;
}

std::uint64_t checksum(const unsigned char* data, std::size_t bytes) {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < bytes; at += 2) {
        std::uint16_t word;
        std::memcpy(&word, data + at, sizeof word);
        sum += word;
    }
    sum = (sum & 0xffffU) + (sum >> 16U);
    return (sum & 0xffffU) + (sum >> 16U);
}

// 1 (drop) for IPv4 UDP to port 53 with an empty payload, else 2 (pass).
std::uint64_t parse(const unsigned char* data, const unsigned char* data_end) {
    constexpr std::ptrdiff_t kHeaders = 14 + 20 + 8;
    if (data_end - data < kHeaders) return 2;
    std::uint16_t type;
    std::uint16_t port;
    std::uint16_t length;
    std::memcpy(&type, data + 12, 2);
    std::memcpy(&port, data + 36, 2);
    std::memcpy(&length, data + 38, 2);
    const bool is_drop =
        type == 0x0008 && data[14] == 0x45 && data[23] == 17 && port == 0x3500 && length == 0x0800;
    return is_drop ? 1 : 2;
}

}  // namespace ebpf::bench
