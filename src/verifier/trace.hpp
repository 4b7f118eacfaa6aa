// SPDX-License-Identifier: MIT
// How a refused value came about: the path that failed, reduced to what made the register.
#pragma once

#include <string>
#include <vector>

#include "analysis/explore.hpp"
#include "check/program.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

/// One line a step, newest last: the instructions that made the register of the finding, and the last
/// branches of the path. Empty for findings about no register. Requires: exploration.result is Refused.
std::vector<std::string> trace_of(const analysis::Exploration& exploration, const check::Program& program,
                                  const Request& request);

}  // namespace ebpf::verifier
