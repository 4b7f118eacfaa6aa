// SPDX-License-Identifier: MIT
// What the benchmark's programs do, compiled by the host's compiler: the bound that nothing interpreted
// reaches.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ebpf::bench {

std::uint64_t arithmetic(std::uint64_t rounds);
std::uint64_t checksum(const unsigned char* data, std::size_t bytes);
std::uint64_t parse(const unsigned char* data, const unsigned char* data_end);

}  // namespace ebpf::bench
