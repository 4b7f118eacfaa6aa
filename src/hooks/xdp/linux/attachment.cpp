// SPDX-License-Identifier: MIT
// Attach, the packet loop, detach. README.md in the folder above tells why each step is where it is.
#include "hooks/xdp/linux/attachment.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstring>

#include "hooks/xdp/linux/link_info.hpp"
#include "hooks/xdp/linux/privileges.hpp"

namespace ebpf::hooks::xdp {
namespace {

/// After the rule is gone the kernel still closes the ring's last block, a few of its timer ticks later.
constexpr int kDrainMilliseconds = 50;
/// Arrival times (the realtime clock may be set at any moment) are looked at only this long around attach and
/// detach.
constexpr std::uint64_t kSettleNs = 500'000'000;

std::uint64_t clock_ns(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

Outcome<LinkInfo> usable_interface(std::uint32_t ifindex) {
    auto route = NetlinkSocket::open(NETLINK_ROUTE);
    if (!route) return std::unexpected(std::move(route).error());
    auto link = find_link(*route, ifindex);
    if (!link) {
        if (link.error().error != ENODEV) return link;
        return failure(ENODEV, fmt::format("no network interface {} in this network namespace", ifindex));
    }
    if (link->hardware_type != ARPHRD_ETHER) {
        return failure(EOPNOTSUPP,
                       fmt::format("interface '{}' (hardware type {}) is not an Ethernet interface",
                                   link->name, link->hardware_type));
    }
    if ((link->flags & IFF_UP) == 0) {
        return failure(ENETDOWN, fmt::format("interface '{}' is down", link->name));
    }
    return link;
}

}  // namespace

Outcome<std::unique_ptr<Attachment>> Attachment::start(std::uint32_t ifindex,
                                                       const ebpf_hook_dispatch& dispatch, void* point) {
    if (auto done = require_privileges(); !done) return std::unexpected(std::move(done).error());
    auto interface = usable_interface(ifindex);
    if (!interface) return std::unexpected(std::move(interface).error());
    const auto refuse = [&](Failure reason) {
        return std::unexpected(std::move(reason).in(fmt::format("interface '{}'", interface->name)));
    };
    auto rule = DropRule::reserve(ifindex);
    if (!rule) return refuse(std::move(rule).error());
    auto path = InjectPath::create(*interface);
    if (!path) return refuse(std::move(path).error());
    auto injector = Injector::open(path->device());
    if (!injector) return refuse(std::move(injector).error());
    auto ring = PacketRing::open(ifindex);
    if (!ring) return refuse(std::move(ring).error());
    std::unique_ptr<Attachment> attachment(new Attachment(ifindex, dispatch, point, std::move(*rule),
                                                          std::move(*path), std::move(*injector),
                                                          std::move(*ring)));
    if (auto done = attachment->start_thread(); !done) return refuse(std::move(done).error());
    // A frame that arrives while the rule takes hold may come twice; a gap would lose it.
    const std::uint64_t begin_ns = clock_ns(CLOCK_REALTIME);
    if (auto done = attachment->rule_.activate(interface->name); !done)
        return refuse(std::move(done).error());
    attachment->begin_ns_.store(begin_ns);
    attachment->begin_ns_.notify_one();
    return attachment;
}

Attachment::Attachment(std::uint32_t ifindex, const ebpf_hook_dispatch& dispatch, void* point, DropRule rule,
                       InjectPath path, Injector injector, PacketRing ring)
    : ifindex_(ifindex),
      dispatch_(dispatch),
      point_(point),
      rule_(std::move(rule)),
      path_(std::move(path)),
      injector_(std::move(injector)),
      ring_(std::move(ring)) {
    for (std::size_t i = 0; i < contexts_.size(); ++i) context_addresses_[i] = &contexts_[i];
}

Outcome<void> Attachment::start_thread() {
    wake_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.is_open()) return system_failure(errno, "eventfd");
    // Signals are for the threads of the process that the hook lives in.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& refused) {
        error = refused.code().value();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) return system_failure(error, "hook thread");
    ready_.wait(kNotReady);
    if (ready_ != 0) return system_failure(-ready_, "no per-CPU slot for the hook thread");
    return {};
}

Attachment::~Attachment() {
    rule_.release();
    if (!thread_.joinable()) return;
    std::uint64_t expected = 0;
    if (begin_ns_.compare_exchange_strong(expected, kNever)) begin_ns_.notify_one();
    end_ns_.store(clock_ns(CLOCK_REALTIME));
    const std::uint64_t one = 1;
    // An eventfd that was never read cannot overflow here.
    static_cast<void>(write(wake_.get(), &one, sizeof(one)));
    thread_.join();
}

void Attachment::run() {
    ebpf_hook_thread* thread = nullptr;
    ready_.store(dispatch_.thread_enter(point_, &thread));
    ready_.notify_one();
    if (ready_ != 0) return;
    begin_ns_.wait(0);
    if (begin_ns_ != kNever) receive(thread);
    dispatch_.thread_leave(thread);
}

void Attachment::receive(ebpf_hook_thread* thread) {
    const std::uint64_t started_ns = clock_ns(CLOCK_MONOTONIC);
    do {
        while (!has_passed_end_ && ring_.open_block()) {
            if (end_ns_.load(std::memory_order_relaxed) != kNever) {
                phase_ = Phase::Ending;
            } else if (phase_ == Phase::Beginning && clock_ns(CLOCK_MONOTONIC) - started_ns > kSettleNs) {
                phase_ = Phase::Steady;
            }
            process_block(thread);
            ring_.close_block();
        }
    } while (!has_passed_end_ && wait_for_frames());
}

void Attachment::process_block(ebpf_hook_thread* thread) {
    while (const std::size_t count = fill_batch()) process_batch(thread, count);
}

/// Whether the frame came before the drop rule took hold or after it let go.
bool Attachment::was_delivered_by_kernel(const Frame& frame) {
    if (phase_ == Phase::Steady) return false;
    if (phase_ == Phase::Beginning) return frame.stamp_ns < begin_ns_.load(std::memory_order_relaxed);
    has_passed_end_ = has_passed_end_ || frame.stamp_ns > end_ns_.load(std::memory_order_relaxed);
    return has_passed_end_;
}

/// Takes the next frames that are for the program out of the open block.
std::size_t Attachment::fill_batch() {
    std::size_t count = 0;
    while (count < batch_.size() && ring_.next_frame(batch_[count])) {
        Frame& frame = batch_[count];
        if (was_delivered_by_kernel(frame)) continue;
        if (frame.length < frame.wire_length || frame.length < kEthernetHeaderBytes) {
            counters_.add(CounterId::Truncated, 1);
            continue;
        }
        if (frame.has_vlan) restore_vlan_tag(frame);
        ++count;
    }
    return count;
}

void Attachment::process_batch(ebpf_hook_thread* thread, std::size_t count) {
    counters_.add(CounterId::Received, count);
    for (std::size_t i = 0; i < count; ++i) fill_context(batch_[i], contexts_[i]);
    dispatch_.batch_begin(thread);
    dispatch_.invoke_all(point_, thread, context_addresses_.data(), results_.data(), count);
    dispatch_.batch_end(thread);
    for (std::size_t i = 0; i < count; ++i) {
        const auto verdict = static_cast<std::uint32_t>(results_[i]);
        if (finish(contexts_[i], verdict, batch_[i])) injector_.add(batch_[i]);
    }
    // Sending is slow and needs nothing that the batch protects.
    if (const std::size_t refused = injector_.flush()) counters_.add(CounterId::InjectFailed, refused);
}

void Attachment::fill_context(const Frame& frame, ebpf_xdp_context& context) const {
    context = {};
    context.data = frame.data;
    context.data_end = frame.data + frame.length;
    context.data_meta = frame.data;
    context.data_hard_start = frame.data - kHeadroomBytes;
    context.frame_end = context.data_end;
    context.ingress_ifindex = ifindex_;
}

/// Returns whether the frame, as the program left it, goes on to the kernel.
bool Attachment::finish(const ebpf_xdp_context& context, std::uint32_t verdict, Frame& frame) {
    const std::ptrdiff_t moved = context.data - frame.data;
    frame.data = context.data;
    frame.length = static_cast<std::uint32_t>(context.data_end - context.data);
    return apply(verdict, moved, frame);
}

bool Attachment::apply(std::uint32_t verdict, std::ptrdiff_t moved, Frame& frame) {
    switch (verdict) {
        case XDP_PASS:
            counters_.add(CounterId::Pass, 1);
            if (move_offload(frame.offload, moved, {frame.data, frame.length})) return true;
            counters_.add(CounterId::InjectFailed, 1);
            return false;
        case XDP_DROP:
            counters_.add(CounterId::Drop, 1);
            return false;
        case XDP_TX:
        case XDP_REDIRECT:
            counters_.add(CounterId::Unsupported, 1);
            return false;
        default:
            counters_.add(CounterId::Aborted, 1);
            return false;
    }
}

/// Blocks until there may be frames. Returns false when the thread has to end.
bool Attachment::wait_for_frames() {
    const bool is_stopping = end_ns_ != kNever;
    pollfd waits[] = {{.fd = ring_.socket(), .events = POLLIN, .revents = 0},
                      {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    // Once woken up to stop, the eventfd stays readable: only the ring counts then.
    const int ready = poll(waits, is_stopping ? 1 : 2, is_stopping ? kDrainMilliseconds : -1);
    if (ready < 0) return errno == EINTR;
    if (is_stopping) return ready > 0 && clock_ns(CLOCK_REALTIME) - end_ns_ < kSettleNs;
    if ((waits[0].revents & POLLERR) != 0) return handle_socket_error();
    return true;
}

/// The interface went down (frames come again when it is up again) or away. Returns false when it is away.
bool Attachment::handle_socket_error() {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(ring_.socket(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == ENETDOWN) counters_.add(CounterId::DownEvents, 1);
    char name[IF_NAMESIZE];
    if (if_indextoname(ifindex_, name) != nullptr) return true;
    counters_.add(CounterId::Gone, 1);
    return false;
}

std::size_t Attachment::read_counters(std::span<ebpf_hook_counter> rows) {
    counters_.add(CounterId::RingDropped, ring_.take_drops());
    for (std::size_t row = 0; row < std::min(rows.size(), kCounterNames.size()); ++row) {
        rows[row] = {};
        std::strncpy(rows[row].name, kCounterNames[row], sizeof(rows[row].name) - 1);
        rows[row].value = counters_.value(row);
    }
    return kCounterNames.size();
}

}  // namespace ebpf::hooks::xdp
