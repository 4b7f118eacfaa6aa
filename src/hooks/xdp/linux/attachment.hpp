// SPDX-License-Identifier: MIT
// One attachment: the kernel-side parts and the thread that runs the program.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>

#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "hooks/xdp/linux/counters.hpp"
#include "hooks/xdp/linux/drop_rule.hpp"
#include "hooks/xdp/linux/inject_path.hpp"
#include "hooks/xdp/linux/injector.hpp"
#include "hooks/xdp/linux/packet_ring.hpp"

namespace ebpf::hooks::xdp {

/// Runs the programs of an attach point on what arrives at an interface.
///
/// Invariants: only the hook thread touches ring and injector while it runs; frames stamped before
/// `begin_ns_` were delivered by the kernel before the drop rule took hold, frames stamped after `end_ns_`
/// after it let go: neither reach the program. The packet path takes no lock and allocates nothing.
class Attachment {
  public:
    /// Starts. Errors: see XdpProvider.
    static Outcome<std::unique_ptr<Attachment>> start(std::uint32_t ifindex,
                                                      const ebpf_hook_dispatch& dispatch, void* point);

    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;
    /// Stops: lets the kernel have the interface again, runs the program on what was received before, ends
    /// the thread, removes everything from the host.
    ~Attachment();

    /// Writes up to counters.size() rows; returns how many there are. Any thread.
    std::size_t read_counters(std::span<ebpf_hook_counter> counters);

  private:
    Attachment(std::uint32_t ifindex, const ebpf_hook_dispatch& dispatch, void* point, DropRule rule,
               InjectPath path, Injector injector, PacketRing ring);

    /// Around attach and detach, arrival times decide whose a frame is.
    enum class Phase : std::uint8_t { Beginning, Steady, Ending };

    Outcome<void> start_thread();
    void run();
    void receive(ebpf_hook_thread* thread);
    void process_block(ebpf_hook_thread* thread);
    bool was_delivered_by_kernel(const Frame& frame);
    std::size_t fill_batch();
    void process_batch(ebpf_hook_thread* thread, std::size_t count);
    void fill_context(const Frame& frame, ebpf_xdp_context& context) const;
    bool finish(const ebpf_xdp_context& context, std::uint32_t verdict, Frame& frame);
    bool apply(std::uint32_t verdict, std::ptrdiff_t moved, Frame& frame);
    bool wait_for_frames();
    bool handle_socket_error();

    const std::uint32_t ifindex_;
    const ebpf_hook_dispatch dispatch_;
    void* const point_;
    DropRule rule_;
    InjectPath path_;
    Injector injector_;
    PacketRing ring_;
    FileDescriptor wake_;  ///< eventfd: look at end_ns_ again
    Counters counters_;
    std::array<Frame, Injector::kBatch> batch_{};
    std::array<ebpf_xdp_context, Injector::kBatch> contexts_{};  // of the frames of batch_
    std::array<void*, Injector::kBatch> context_addresses_{};    // constant
    std::array<std::uint64_t, Injector::kBatch> results_{};
    Phase phase_ = Phase::Beginning;          ///< hook thread only
    bool has_passed_end_ = false;             ///< hook thread only: a frame from after end_ns_ was seen
    std::atomic<int> ready_{kNotReady};       ///< result of thread_enter
    std::atomic<std::uint64_t> begin_ns_{0};  ///< 0: not yet; kNever: give up
    std::atomic<std::uint64_t> end_ns_{kNever};
    std::thread thread_;

    static constexpr int kNotReady = 1;
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};
};

}  // namespace ebpf::hooks::xdp
