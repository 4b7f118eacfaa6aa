// SPDX-License-Identifier: MIT
// Map keys and values by the types that the map was created with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.hpp"
#include "btf/types.hpp"
#include "results.hpp"

namespace ebpf::ctl {

/// Returns what `bytes` hold as a value of type `id`. Errors: NotFound, Malformed, LimitExceeded - the types
/// do not describe these bytes; NotSupported - a kind without values.
Result<Formatted> format_value(const btf::Types& types, std::uint32_t id, std::span<const std::byte> bytes);

}  // namespace ebpf::ctl
