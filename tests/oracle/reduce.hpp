// SPDX-License-Identifier: MIT
// Makes a program that shows a fault as small as it gets.
#pragma once

#include <cstddef>
#include <functional>

#include "program.hpp"

namespace ebpf::oracle {

/// Whether a program still shows the fault. It must itself refuse programs that the verifier refuses.
using ShowsFault = std::function<bool(const Generated& program)>;

/// Returns `program` with everything removed without which `shows_fault` still holds: targets, instructions
/// (jumps over them lead to what follows), map contents; and with simpler numbers in it. At most
/// `most_attempts` candidates are tried. Requires: shows_fault(program).
Generated reduce(Generated program, const ShowsFault& shows_fault, std::size_t most_attempts);

/// Returns `body` without the instructions of slots [first, first + count); a LoadImm64 goes whole.
Body without(const Body& body, std::size_t first, std::size_t count);

}  // namespace ebpf::oracle
