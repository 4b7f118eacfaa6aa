// SPDX-License-Identifier: MIT
// Control over the fake platform: memory that runs out on demand and is accounted for, a clock that stands
// still. Linked instead of an OS folder, by tests that inject failures.
#pragma once

#include <cstdint>

namespace ebpf::platform::fake {

/// What allocate() and allocate_pages() have handed out and not got back.
struct Usage {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const Usage&, const Usage&) = default;
};

/// Returns what is in use now. Releasing with another size or alignment than allocated, or twice, ends the
/// process.
Usage usage();

/// Lets the `nth` request for memory from now on (1: the next) fail, and only that one; 0: none.
void fail_allocation(std::uint64_t nth);
/// True if the failure asked for has happened.
bool has_failed();

/// Lets fill_random() fail from now on, or work again.
void fail_random(bool fails);

/// Lets seal_executable() fail with NoPermission from now on, or work again. Executable memory of the fake
/// host is counted in usage(); what is sealed in it cannot be run.
void fail_executable(bool fails);
/// Returns whether code that was not released is in use at `code`, and sealed.
bool is_sealed(const void* code);

/// Sets what monotonic_ns() and realtime_ns() return.
void set_time(std::uint64_t ns);

/// What possible_cpus() returns.
inline constexpr std::uint32_t kCpus = 3;

}  // namespace ebpf::platform::fake
