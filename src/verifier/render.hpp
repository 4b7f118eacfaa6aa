// SPDX-License-Identifier: MIT
// A report as text for people. Nothing parses it.
#pragma once

#include <string>

#include "verifier/verifier.hpp"

namespace ebpf::verifier {

/// Verdict, then for a refusal: place, rule, message, how it came about, and the usual fix; each on lines of
/// their own, the last one ends with a newline too.
std::string render(const Report& report, const std::string& program_name);

}  // namespace ebpf::verifier
