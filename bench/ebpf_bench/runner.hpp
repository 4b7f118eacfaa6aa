// SPDX-License-Identifier: MIT
// Runner: one engine with one program, ready to run; and the list of engines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "subject.hpp"

namespace ebpf::bench {

class Runner {
  public:
    virtual ~Runner() = default;

    /// Gives every map its first contents.
    virtual Result<void> reset() = 0;
    /// Runs once on `packet`, which becomes what the program makes of it. Returns the low half of r0.
    virtual Result<std::uint32_t> run_once(Bytes& packet) = 0;
    /// Runs `runs` times on one packet and returns nanoseconds a run.
    virtual Result<double> measure(std::uint64_t runs) = 0;
    /// Contents of the subject's maps as they are now, sorted.
    virtual std::vector<Contents> contents() = 0;

    /// Median time to compile (not to verify), and bytes of code; 0: unknown or there is none.
    double compile_ns = 0;
    std::size_t code_bytes = 0;

  protected:
    Runner() = default;
    Runner(const Runner&) = default;
    Runner& operator=(const Runner&) = default;
};

/// A way to run programs.
struct Engine {
    std::string name;   ///< "jit"
    std::string title;  ///< for headings: "JIT"
    /// Errors: Environment - this machine does not have it, for every program; others: not this program.
    std::function<Result<std::unique_ptr<Runner>>(const Subject&)> prepare;
};

inline constexpr const char* kNative = "native";
inline constexpr const char* kInterpreter = "interpreter";
inline constexpr const char* kKernel = "kernel";

/// Returns all engines of this build: native first, the kernel last.
std::vector<Engine> all_engines();

Result<std::unique_ptr<Runner>> prepare_native(const Subject& subject);
Result<std::unique_ptr<Runner>> prepare_kernel(const Subject& subject);

/// Processor time of the calling thread in nanoseconds: what other processes take does not count.
std::uint64_t thread_time_ns();

/// Time on the clock in nanoseconds: for what other processes do for us.
std::uint64_t wall_time_ns();

/// Median; 0 of nothing.
double median(std::vector<double> values);

}  // namespace ebpf::bench
