// SPDX-License-Identifier: MIT
// What an attachment counts. One list: names, storage and order.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ebpf::hooks::xdp {

/// Counters in the order in which they are reported.
enum class CounterId : std::uint8_t {
    Received,      ///< frames handed to the program
    Pass,          ///< XDP_PASS verdicts
    Drop,          ///< XDP_DROP verdicts
    Aborted,       ///< XDP_ABORTED and unknown verdicts: dropped
    Unsupported,   ///< XDP_TX and XDP_REDIRECT verdicts: dropped
    Truncated,     ///< frames too large for the ring: dropped without running the program
    RingDropped,   ///< frames lost because the program did not keep up
    InjectFailed,  ///< passed frames that could not be given back to the kernel
    DownEvents,    ///< how often the interface went down
    Gone,          ///< 1 when the interface was removed: the hook has stopped
};

inline constexpr std::array<const char*, 10> kCounterNames = {
    "rx",        "pass",         "drop",          "aborted",     "unsupported",
    "truncated", "ring_dropped", "inject_failed", "down_events", "interface_gone"};

/// Written by the hook thread (RingDropped: by readers), read by any thread.
class Counters {
  public:
    void add(CounterId id, std::uint64_t count) {
        values_[static_cast<std::size_t>(id)].fetch_add(count, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value(std::size_t row) const {
        return values_[row].load(std::memory_order_relaxed);
    }

  private:
    std::array<std::atomic<std::uint64_t>, kCounterNames.size()> values_{};
};

}  // namespace ebpf::hooks::xdp
