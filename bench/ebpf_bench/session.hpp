// SPDX-License-Identifier: MIT
// Session: prepares programs on every engine, checks that the engines agree, measures.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "figures.hpp"

namespace ebpf::bench {

struct Settings {
    std::string folder;                ///< of NAME.o
    std::string filter;                ///< part of a program's name; empty: all
    std::vector<std::string> engines;  ///< names; empty: all
    unsigned rounds = 11;
    double sample_ms = 2;   ///< time of one engine in one round
    bool is_quiet = false;  ///< no progress on stderr
};

/// Measures. The engines' results are compared before: runs from equal states must give equal results,
/// packets and map contents. Errors: Internal - they do not, the message says where; NotFound - no program
/// has the name.
Result<Figures> measure_all(const Settings& settings);

}  // namespace ebpf::bench
