// SPDX-License-Identifier: MIT
// Declarations of the helpers' functions, one per row of helpers.def, and what they share.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "engine/engine.hpp"

namespace ebpf::helpers {

/// Linux's errno values as helpers return them: the same on every host.
inline constexpr std::uint64_t kErrorTooBig = ~std::uint64_t{7} + 1;    // -E2BIG
inline constexpr std::uint64_t kErrorAgain = ~std::uint64_t{11} + 1;    // -EAGAIN
inline constexpr std::uint64_t kErrorInvalid = ~std::uint64_t{22} + 1;  // -EINVAL
inline constexpr std::uint64_t kErrorLoop = ~std::uint64_t{40} + 1;     // -ELOOP

/// Returns 0 for Ok, else the negative errno of `status`.
inline std::uint64_t to_result(Status status) noexcept {
    if (status == Status::Ok) [[likely]]
        return 0;
    return ~static_cast<std::uint64_t>(status_errno(status)) + 1;
}

// Every row declares its function here, and bindings() takes its address: a row without one does not link.
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    std::uint64_t name(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,             \
                       std::uint64_t r5, engine::Invocation& invocation) noexcept;
#include "spec/helpers.def"
#undef EBPF_HELPER

/// Reads a register that holds an address.
template <typename T>
T* as_pointer(std::uint64_t value) noexcept {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(value));
}

}  // namespace ebpf::helpers
