// SPDX-License-Identifier: MIT
// From generate()'s C to a shared library, by the C compiler of the machine.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ebpf::native {

enum class Target { Host, Windows };

struct BuildOptions {
    Target target = Target::Host;
    std::string compiler;  ///< path or name; empty: the first of default_compilers() that there is
    std::vector<std::string> options;  ///< further ones, behind ours: "-O1" replaces -O2
};

/// Returns names of compilers in the order in which they are tried: those that make the fastest code first.
std::vector<std::string> default_compilers(Target target);

/// Compiles `c` and returns the library's bytes. Nothing is left behind. Errors: NotFound - no compiler;
/// Environment - also: the compiler fails, with what it says. Threads: see platform::TemporaryFolder. Cost: a
/// process; tenths of seconds, more for large programs.
Result<std::vector<std::byte>> build(std::string_view c, const BuildOptions& options);

}  // namespace ebpf::native
