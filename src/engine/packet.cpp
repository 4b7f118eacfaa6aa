// SPDX-License-Identifier: MIT
#include "engine/engine.hpp"

namespace ebpf::engine {

const std::uint8_t* packet_bytes(const Invocation& invocation, std::int64_t offset,
                                 std::size_t size) noexcept {
    if (invocation.packet_data == nullptr || invocation.packet_data_end == nullptr || offset < 0) {
        return nullptr;
    }
    const std::uint8_t* data = *invocation.packet_data;
    const auto length = static_cast<std::uint64_t>(*invocation.packet_data_end - data);
    const auto start = static_cast<std::uint64_t>(offset);
    if (start > length || size > length - start) return nullptr;
    return data + start;
}

}  // namespace ebpf::engine
