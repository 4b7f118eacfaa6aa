// SPDX-License-Identifier: MIT
// Findings to text: what is wrong, what was known, what was needed.
#pragma once

#include <string>

#include "check/program.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

/// The message of `finding` about `program`, which is the request's; lower case, no period.
std::string message_of(const check::Finding& finding, const check::Program& program, const Request& request);

/// Makes a Failure of `rule` at `slot` with category, id, hint and source line.
Failure make_failure(const Request& request, spec::Rule rule, std::uint32_t slot, std::string message);

/// The source line that `slot` belongs to; line 0 if unknown. Requires: request.lines ascend by slot.
SourceLine source_of(const Request& request, std::uint32_t slot);

}  // namespace ebpf::verifier
