// SPDX-License-Identifier: MIT
#include "spec/fingerprint.hpp"

#include <string_view>

#include "spec/instructions.hpp"

namespace ebpf::spec {
namespace {

// The rows as they are written.
constexpr std::string_view kRows =
#define EBPF_HELPER(...) #__VA_ARGS__ "\n"
#include "spec/helpers.def"
#undef EBPF_HELPER
#define EBPF_CONTEXT(...) #__VA_ARGS__ "\n"
#define EBPF_FIELD(...) #__VA_ARGS__ "\n"
#include "spec/contexts.def"
#undef EBPF_CONTEXT
#undef EBPF_FIELD
#define EBPF_PROGRAM_TYPE(...) #__VA_ARGS__ "\n"
#include "spec/program_types.def"
#undef EBPF_PROGRAM_TYPE
#define EBPF_ATTACH_TYPE(...) #__VA_ARGS__ "\n"
#include "spec/attach_types.def"
#undef EBPF_ATTACH_TYPE
#define EBPF_MAP_TYPE(...) #__VA_ARGS__ "\n"
#include "spec/map_types.def"
#undef EBPF_MAP_TYPE
#define EBPF_ALU(...) #__VA_ARGS__ "\n"
#define EBPF_NEGATE(...) #__VA_ARGS__ "\n"
#define EBPF_MOVE_SX(...) #__VA_ARGS__ "\n"
#define EBPF_BYTE_ORDER(...) #__VA_ARGS__ "\n"
#define EBPF_JUMP(...) #__VA_ARGS__ "\n"
#define EBPF_ATOMIC(...) #__VA_ARGS__ "\n"
#define EBPF_ORDERED(...) #__VA_ARGS__ "\n"
#define EBPF_WIDE(...) #__VA_ARGS__ "\n"
#include "spec/instructions.def"
#undef EBPF_ALU
#undef EBPF_NEGATE
#undef EBPF_MOVE_SX
#undef EBPF_BYTE_ORDER
#undef EBPF_JUMP
#undef EBPF_ATOMIC
#undef EBPF_ORDERED
#undef EBPF_WIDE
    ;

// FNV-1a. Source: Fowler, Noll, Vo; RFC 9923.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint8_t byte) {
    constexpr std::uint64_t kPrime = 0x100000001b3;
    return (hash ^ byte) * kPrime;
}

constexpr std::uint64_t fingerprint() {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char letter : kRows) hash = mix(hash, static_cast<std::uint8_t>(letter));
    for (const std::uint64_t limit : {std::uint64_t{kStackBytes}, std::uint64_t{kMaxCallFrames}}) {
        for (unsigned shift = 0; shift < 64; shift += 8)
            hash = mix(hash, static_cast<std::uint8_t>(limit >> shift));
    }
    return hash;
}

}  // namespace

std::uint64_t table_fingerprint() noexcept {
    return fingerprint();
}

}  // namespace ebpf::spec
