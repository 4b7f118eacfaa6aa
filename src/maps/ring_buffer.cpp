// SPDX-License-Identifier: MIT
// Ring buffer. Source: Linux Documentation/bpf/ringbuf.rst for layout and contract.
//
// Invariants
// - pending_ <= producer position <= pending_ + size, and the same for the consumer's position unless
// somebody wrote
//   nonsense there: then there is no room for producers until it is right again.
// - Headers stand only between pending_ or the consumer's position, whichever is lower, and the producers'
// position.
//   Programs and clients do not write them; lengths read by consumers are checked all the same.
// - What other processes may map holds no addresses: the page with the map's lies in front of the region.
#include "maps/ring_buffer.hpp"

#include <atomic>
#include <cstring>
#include <new>

#include "maps/families.hpp"
#include "maps/region.hpp"
#include "platform/event.hpp"
#include "platform/pages.hpp"
#include "platform/spin_lock.hpp"

namespace ebpf::maps {
namespace {

constexpr std::uint64_t kPage = platform::kPageBytes;
static_assert(kPage == spec::kRingPageBytes);
// From the region's start.
constexpr std::uint64_t kConsumerOffset = kPage;
constexpr std::uint64_t kProducerOffset = 2 * kPage;
constexpr std::uint64_t kDataOffset = 3 * kPage;

struct RecordHeader {
    std::atomic<std::uint32_t> length{0};  ///< with kRecordBusy, kRecordDiscarded
    std::uint32_t pages = 0;               ///< from the memory's start to the header's page
};
static_assert(sizeof(RecordHeader) == spec::kRecordHeaderBytes);

constexpr std::uint64_t record_bytes(std::uint64_t length) {
    return round_up(length + spec::kRecordHeaderBytes, kValueAlignment);
}

constexpr std::uint32_t length_of(std::uint32_t header) {
    return header & ~(spec::kRecordBusy | spec::kRecordDiscarded);
}

class RingBufferMap final : public Map {
  public:
    RingBufferMap(const spec::MapShape& shape, epoch::Domain& domain) noexcept
        : Map(shape, kOps, lookup, domain) {}
    ~RingBufferMap() { platform::destroy_event(event_.load(std::memory_order_relaxed)); }
    RingBufferMap(const RingBufferMap&) = delete;
    RingBufferMap& operator=(const RingBufferMap&) = delete;

    [[nodiscard]] bool set_up() noexcept {
        if (!take_ring_region(kDataOffset, shape_.max_entries)) return false;
        auto* header = ::new (region_) RegionHeader();
        header->shape = shape_;
        header->elements_offset = kDataOffset;
        ::new (region_ - kPage) RingBufferMap*(this);
        consumed_ = ::new (region_ + kConsumerOffset) std::atomic<std::uint64_t>(0);
        produced_ = ::new (region_ + kProducerOffset) std::atomic<std::uint64_t>(0);
        mask_ = shape_.max_entries - 1;
        return true;
    }

    static RingBufferMap* from(Map& map) noexcept {
        return map.shape().type == spec::MapType::RingBuffer ? static_cast<RingBufferMap*>(&map) : nullptr;
    }
    static const RingBufferMap& of(const Map& map) noexcept { return static_cast<const RingBufferMap&>(map); }

    void* reserve(std::uint64_t size) noexcept {
        if (size > spec::kMaxRecordBytes) return nullptr;
        const std::uint64_t bytes = record_bytes(size);
        const std::uint64_t consumed = consumed_->load(std::memory_order_acquire);
        const platform::LockScope scope(producers_);
        const std::uint64_t start = produced_->load(std::memory_order_relaxed);
        const std::uint64_t end = start + bytes;
        pass_committed(start);
        if (end - consumed > mask_ || end - pending_ > mask_) return nullptr;
        RecordHeader* header = at(start);
        header->length.store(static_cast<std::uint32_t>(size) | spec::kRecordBusy, std::memory_order_relaxed);
        const auto from_memory = static_cast<std::uint64_t>(as_bytes(header) - (region_ - kPage));
        header->pages = static_cast<std::uint32_t>(from_memory / kPage);
        // Readers that see the position see the busy header.
        produced_->store(end, std::memory_order_release);
        return as_bytes(header) + sizeof(RecordHeader);
    }

    static void submit(void* record, bool is_discarded, std::uint64_t flags) noexcept {
        auto* header = std::launder(
            reinterpret_cast<RecordHeader*>(static_cast<std::byte*>(record) - sizeof(RecordHeader)));
        const std::uint64_t in_page = reinterpret_cast<std::uintptr_t>(header) % kPage;
        const std::byte* memory = as_bytes(header) - in_page - std::uint64_t{header->pages} * kPage;
        RingBufferMap& map = **reinterpret_cast<RingBufferMap* const*>(memory);
        std::uint32_t length = length_of(header->length.load(std::memory_order_relaxed));
        if (is_discarded) length |= spec::kRecordDiscarded;
        // Together with the reader's fence: it sees this record as readable, or its position is seen here.
        header->length.exchange(length, std::memory_order_seq_cst);
        const std::uint64_t consumed = map.consumed_->load(std::memory_order_seq_cst);
        const bool is_awaited = map.at(consumed) == header;
        if ((flags & spec::kRingForceWakeup) != 0 || (is_awaited && (flags & spec::kRingNoWakeup) == 0))
            map.wake();
    }

    [[nodiscard]] std::uint64_t query(std::uint64_t question) const noexcept {
        const std::uint64_t consumed = consumed_->load(std::memory_order_acquire);
        const std::uint64_t produced = produced_->load(std::memory_order_acquire);
        switch (question) {
            case spec::kRingAvailableData:
                return produced - consumed;
            case spec::kRingSize:
                return shape_.max_entries;
            case spec::kRingConsumerPosition:
                return consumed;
            case spec::kRingProducerPosition:
                return produced;
            default:
                return 0;
        }
    }

    StatusOr<std::uint64_t> read(RecordFunction function, void* state, bool consumes) noexcept {
        const platform::LockScope scope(consumers_);
        const std::uint64_t produced = produced_->load(std::memory_order_acquire);
        std::uint64_t position = consumed_->load(std::memory_order_relaxed);
        std::uint64_t count = 0;
        while (true) {
            const auto record = record_at(position, produced);
            if (!record && record.error() == Status::NotFound) break;
            if (!record) return std::unexpected(record.error());
            if (!record->is_discarded) {
                if (!function(state, record->bytes)) break;
                ++count;
            }
            position = record->end;
            // Records to pass over before the first one to read would keep waiting from waiting.
            if (consumes || count == 0) consumed_->store(position, std::memory_order_release);
        }
        return consumes ? count : position;
    }

    Status release(std::uint64_t end) noexcept {
        const platform::LockScope scope(consumers_);
        const std::uint64_t produced = produced_->load(std::memory_order_acquire);
        std::uint64_t position = consumed_->load(std::memory_order_relaxed);
        if (end <= position) return Status::Ok;
        while (position < end) {
            const auto record = record_at(position, produced);
            if (!record) return record.error() == Status::NotFound ? Status::InvalidArgument : record.error();
            position = record->end;
        }
        if (position != end) return Status::InvalidArgument;
        consumed_->store(position, std::memory_order_release);
        return Status::Ok;
    }

    Status wait(std::uint64_t timeout_ns) noexcept {
        platform::Event* event = event_of_waiters();
        if (event == nullptr) return Status::OutOfMemory;
        waiters_.fetch_add(1, std::memory_order_seq_cst);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const bool is_ready = has_record() || platform::wait_for_event(*event, timeout_ns);
        waiters_.fetch_sub(1, std::memory_order_relaxed);
        return is_ready ? Status::Ok : Status::TimedOut;
    }

  private:
    static const MapOps kOps;

    struct Record {
        std::span<const std::byte> bytes;
        std::uint64_t end = 0;  ///< position behind it
        bool is_discarded = false;
    };

    static std::byte* as_bytes(RecordHeader* header) noexcept { return reinterpret_cast<std::byte*>(header); }

    [[nodiscard]] RecordHeader* at(std::uint64_t position) const noexcept {
        return reinterpret_cast<RecordHeader*>(region_ + kDataOffset + (position & mask_));
    }

    /// Moves pending_ over records that are submitted or discarded: their place may be used once they are
    /// consumed. A consumer's position that is not true cannot make a producer write over a record that
    /// another one fills.
    void pass_committed(std::uint64_t produced) noexcept {
        while (pending_ != produced) {
            const std::uint32_t header = at(pending_)->length.load(std::memory_order_relaxed);
            if ((header & spec::kRecordBusy) != 0) break;
            pending_ += record_bytes(length_of(header));
        }
    }

    /// Errors: NotFound - none that may be read yet; Malformed.
    [[nodiscard]] StatusOr<Record> record_at(std::uint64_t position, std::uint64_t produced) const noexcept {
        const std::uint64_t unread = produced - position;
        if (unread == 0) return std::unexpected(Status::NotFound);
        if (unread > shape_.max_entries || position % kValueAlignment != 0)
            return std::unexpected(Status::Malformed);
        RecordHeader* header = at(position);
        const std::uint32_t length = header->length.load(std::memory_order_acquire);
        if ((length & spec::kRecordBusy) != 0) return std::unexpected(Status::NotFound);
        const std::uint64_t bytes = record_bytes(length_of(length));
        if (bytes > unread) return std::unexpected(Status::Malformed);
        return Record{.bytes = {as_bytes(header) + sizeof(RecordHeader), length_of(length)},
                      .end = position + bytes,
                      .is_discarded = (length & spec::kRecordDiscarded) != 0};
    }

    [[nodiscard]] bool has_record() const noexcept {
        const std::uint64_t produced = produced_->load(std::memory_order_acquire);
        const auto record = record_at(consumed_->load(std::memory_order_relaxed), produced);
        return record.has_value() || record.error() != Status::NotFound;
    }

    void wake() noexcept {
        if (waiters_.load(std::memory_order_seq_cst) == 0) return;
        platform::signal_event(*event_.load(std::memory_order_acquire));
    }

    platform::Event* event_of_waiters() noexcept {
        const platform::LockScope scope(consumers_);
        platform::Event* event = event_.load(std::memory_order_relaxed);
        if (event != nullptr) return event;
        event = platform::create_event();
        event_.store(event, std::memory_order_release);
        return event;
    }

    // Programs and requests reach records by calls of this file only.
    static void* lookup(std::uint64_t /*map*/, const void* /*key*/) noexcept { return nullptr; }
    static Status read_element(Map& /*map*/, const void* /*key*/, void* /*value*/) noexcept {
        return Status::NotSupported;
    }
    static Status update(Map& /*map*/, const void* /*key*/, const void* /*value*/,
                         std::uint64_t /*flags*/) noexcept {
        return Status::NotSupported;
    }
    static Status erase(Map& /*map*/, const void* /*key*/) noexcept { return Status::NotSupported; }
    static Status next_key(Map& /*map*/, const void* /*key*/, void* /*next*/) noexcept {
        return Status::NotSupported;
    }
    static std::uint32_t count(const Map& /*map*/) noexcept { return 0; }

    std::atomic<std::uint64_t>* consumed_ = nullptr;
    std::atomic<std::uint64_t>* produced_ = nullptr;
    std::uint64_t mask_ = 0;
    platform::SpinLock producers_;
    std::uint64_t pending_ = 0;  ///< of the oldest record that may not be submitted yet; under producers_
    platform::SpinLock consumers_;
    std::atomic<std::uint32_t> waiters_{0};
    std::atomic<platform::Event*> event_{nullptr};  ///< made for the first who waits
};

constinit const MapOps RingBufferMap::kOps{
    .destroy = destroy_family<RingBufferMap>,
    .read = read_element,
    .update = update,
    .erase = erase,
    .next_key = next_key,
    .count = count,
    .visit = nullptr,
};

}  // namespace

StatusOr<Map*> create_ring_buffer(const spec::MapShape& shape, epoch::Domain& domain) noexcept {
    return create_family<RingBufferMap>(shape, domain);
}

void* reserve_record(Map& map, std::uint64_t size) noexcept {
    return static_cast<RingBufferMap&>(map).reserve(size);
}

void submit_record(void* record, bool is_discarded, std::uint64_t flags) noexcept {
    RingBufferMap::submit(record, is_discarded, flags);
}

std::uint64_t query_ring(const Map& map, std::uint64_t question) noexcept {
    return RingBufferMap::of(map).query(question);
}

StatusOr<std::uint64_t> read_records(Map& map, RecordFunction function, void* state) noexcept {
    RingBufferMap* ring = RingBufferMap::from(map);
    if (ring == nullptr) return std::unexpected(Status::WrongKind);
    return ring->read(function, state, false);
}

Status release_records(Map& map, std::uint64_t position) noexcept {
    RingBufferMap* ring = RingBufferMap::from(map);
    return ring == nullptr ? Status::WrongKind : ring->release(position);
}

StatusOr<std::uint64_t> consume_records(Map& map, RecordFunction function, void* state) noexcept {
    RingBufferMap* ring = RingBufferMap::from(map);
    if (ring == nullptr) return std::unexpected(Status::WrongKind);
    return ring->read(function, state, true);
}

Status wait_for_record(Map& map, std::uint64_t timeout_ns) noexcept {
    RingBufferMap* ring = RingBufferMap::from(map);
    return ring == nullptr ? Status::WrongKind : ring->wait(timeout_ns);
}

}  // namespace ebpf::maps
