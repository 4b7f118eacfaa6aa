// SPDX-License-Identifier: MIT
// Rewrites a verified program's accesses to its context from the program's structure to the host's.
#pragma once

#include <span>
#include <vector>

#include "base/error.hpp"
#include "ir/ir.hpp"
#include "isa/instruction.hpp"
#include "spec/catalogue.hpp"
#include "spec/programs.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::lower {

/// Makes every access that is marked Context use the host structure of `type` (include/ebpf/contexts.h)
/// instead of the structure that programs see: a 4-byte load of a packet address becomes an 8-byte load,
/// plain fields keep their size unless the host keeps fewer bytes of them, and a narrow read keeps its place
/// within the field; what the host does not keep reads as 0 (an assignment then) and is not stored.
/// `type` is a row of `catalogue`. Everything else stays as it is, slot by slot. Requires: `accesses` is the
/// verifier's, for exactly `code`; it marks an access Context only where the base register is
///   the unmodified context.
/// Errors: Internal - `accesses` has another length, or an access marked Context is no access that this knows
/// how to
///   rewrite; the message names instruction and offset. `code` is unchanged then.
/// Threads: any. Cost: linear.
Result<void> lower(isa::Code& code, spec::ProgramType type, std::span<const verifier::AccessKind> accesses,
                   const spec::Catalogue& catalogue = {});

/// The same, and makes calls through registers direct ones, of what the verifier found that they call;
/// engines then see no CallRegister. In a program that calls no helper that calls back, addresses of code
/// become numbers, since nothing calls through them any more and they are only copied and compared with null.
/// Requires: `report` is the verifier's, of an accepted program, for exactly `code`. Errors: those above;
/// Internal - a call of the report is no call through a register, or its target does not exist. `code` is
/// unchanged then. Cost: linear.
Result<void> lower(isa::Code& code, spec::ProgramType type, const verifier::Report& report,
                   const spec::Catalogue& catalogue = {});

/// Returns what memory each access goes to, as code generators take it; one element a slot. Threads: any.
std::vector<ir::Region> regions_of(std::span<const verifier::AccessKind> accesses);

}  // namespace ebpf::lower
