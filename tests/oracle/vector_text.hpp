// SPDX-License-Identifier: MIT
// A generated program as a test vector.
#pragma once

#include <string>

#include "oracle_run.hpp"

namespace ebpf::oracle {

/// Returns a vector (vectors/vector.hpp) that runs `program` and expects `effects`. `reason` becomes a
/// comment.
std::string vector_text(const Generated& program, const Effects& effects, const std::string& name,
                        const std::string& reason);

}  // namespace ebpf::oracle
