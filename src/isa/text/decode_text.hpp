// SPDX-License-Identifier: MIT
// Text for what decode refuses.
#pragma once

#include "base/error.hpp"
#include "isa/decode.hpp"

namespace ebpf::isa {

/// Returns the Error for `error`, such as "instruction 5: reserved field is not zero: offset 3".
Error to_error(const DecodeError& error);

}  // namespace ebpf::isa
