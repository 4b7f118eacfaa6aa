// SPDX-License-Identifier: MIT
// Reduction: the components of a Scalar tell each other what they know. Private to domains/.
#pragma once

#include "domains/scalar.hpp"

namespace ebpf::domains::detail {

/// Tightens every component by the others until nothing changes (bounded; stopping early is only less
/// precise). Keeps exactly the numbers that all components held. Returns false if there are none. Requires:
/// value bits inside the mask are 0.
[[nodiscard]] bool reduce(ScalarParts& parts) noexcept;

}  // namespace ebpf::domains::detail
