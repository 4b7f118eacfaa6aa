// SPDX-License-Identifier: MIT
#include "platform/cpu.hpp"
#include "runtime/attach_point.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {

LinkObject::LinkObject(State& state, ProgramObject& program, const ebpf_attach_request& request) noexcept
    : Object(state, kKind, program.name(), program.creator_uid()), program_(&program), request_(request) {
    program.acquire_internal();
}

LinkObject::~LinkObject() = default;

bool LinkObject::set_up() noexcept {
    return counters_.set_up(state().domain.slots());
}

Ref<ProgramObject> LinkObject::program() const noexcept {
    // update_link() exchanges it under the same lock: the link's reference stays while ours is counted.
    const platform::LockScope guard(state().lock);
    return Ref<ProgramObject>::share(*program_.load(std::memory_order_relaxed));
}

bool LinkObject::is_attached() const noexcept {
    return phase_.load(std::memory_order_acquire) == Phase::Attached &&
           point_->phase.load(std::memory_order_acquire) == AttachPoint::Phase::Attached;
}

bool LinkObject::is_suspended() const noexcept {
    return phase_.load(std::memory_order_acquire) == Phase::Attached &&
           point_->phase.load(std::memory_order_acquire) == AttachPoint::Phase::Suspended;
}

const char* LinkObject::hook() const noexcept {
    return point_->hook.name;
}

ebpf_combine LinkObject::combine() const noexcept {
    return point_->runs_all ? EBPF_COMBINE_ALL : EBPF_COMBINE_CHAIN;
}

StatusOr<std::uint32_t> LinkObject::position() const noexcept {
    const platform::LockScope guard(state().lock);
    std::uint32_t before = 0;
    for (const LinkObject* link = point_->first.load(std::memory_order_relaxed); link != nullptr;
         link = link->next_.load(std::memory_order_relaxed)) {
        if (link == this) return before;
        ++before;
    }
    return std::unexpected(Status::NotAttached);
}

std::uint64_t LinkObject::run_count() const noexcept {
    return counters_.sum(&Counter::runs);
}

std::uint64_t LinkObject::ended_count() const noexcept {
    return counters_.sum(&Counter::ended);
}

StatusOr<std::size_t> LinkObject::counters(std::span<ebpf_hook_counter> counters) noexcept {
    const platform::LockScope guard(point_->counters_lock);
    if (!is_attached()) return std::unexpected(Status::NotAttached);
    const ebpf_hook_provider& table = *point_->provider->table;
    if (table.counters == nullptr) return std::size_t{0};
    return table.counters(table.provider, point_->attachment, counters.data(), counters.size());
}

Status LinkObject::detach() noexcept {
    State& owner = state();
    bool is_last = false;
    Provider* unused = nullptr;
    for (bool has_begun = false; !has_begun;) {
        {
            const platform::LockScope guard(owner.lock);
            if (phase_.load(std::memory_order_relaxed) != Phase::Attached) return Status::NotAttached;
            has_begun = !point_->is_moving();
            if (has_begun) {
                phase_.store(Phase::Detaching, std::memory_order_release);
                is_last = point_->is_attached() && point_->programs == 1;
                if (is_last) {
                    point_->begin(AttachPoint::Phase::Detaching);
                } else {
                    unused = owner.take_out(*this);
                }
            }
        }
        if (!has_begun) platform::yield();
    }
    if (is_last) {
        point_->take_down();
        const platform::LockScope guard(owner.lock);
        point_->finish(AttachPoint::Phase::Suspended);
        unused = owner.take_out(*this);
    } else {
        owner.domain.synchronise();  // invocations that found it
    }
    if (unused != nullptr) State::unmake(unused);
    phase_.store(Phase::Detached, std::memory_order_release);
    return Status::Ok;
}

}  // namespace ebpf::runtime
