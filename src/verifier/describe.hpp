// SPDX-License-Identifier: MIT
// Abstract values and states as text, for messages and for `describe`.
#pragma once

#include <string>

#include "check/state.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

/// "17", "a number in 0..255", "an unknown number".
std::string describe_number(const domains::Scalar& number);

/// What `value` is, as the end of a sentence: "a packet pointer at offset 14".
/// `request` gives maps their names; may be null.
std::string describe_value(const check::Value& value, const Request* request);

/// All usable registers and stack cells: "r0=17 r1=context r10=stack; stack -8: a number in 0..255".
std::string describe_state(const check::State& state, const Request* request);

}  // namespace ebpf::verifier
