// SPDX-License-Identifier: MIT
// Random programs that are valid by construction: registers are initialised, accesses stay inside, loops end.
#pragma once

#include <cstdint>

#include "program.hpp"

namespace ebpf::oracle {

struct Options {
    spec::ProgramType type = spec::ProgramType::Memory;  ///< Memory, Xdp or SocketFilter
    bool is_for_kernel = false;      ///< nothing that differs between runs or that Linux refuses
    bool allows_tail_calls = false;  ///< the program may have targets
};

/// Makes a program. The same seed and options give the same program.
Generated generate(std::uint64_t seed, const Options& options);

}  // namespace ebpf::oracle
