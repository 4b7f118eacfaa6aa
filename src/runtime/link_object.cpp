// SPDX-License-Identifier: MIT
#include "runtime/state.hpp"

namespace ebpf::runtime {

LinkObject::LinkObject(State& state, ProgramObject& program, const ebpf_attach_request& request,
                       Provider& provider) noexcept
    : Object(state, kKind, program.name(), program.creator_uid()),
      program_(&program),
      request_(request),
      provider_(&provider) {
    program.acquire_internal();
}

Ref<ProgramObject> LinkObject::program() const noexcept {
    // update_link() exchanges it under the same lock: the link's reference stays while ours is counted.
    const platform::LockScope guard(state().lock);
    return Ref<ProgramObject>::share(*program_.load(std::memory_order_relaxed));
}

StatusOr<std::size_t> LinkObject::counters(std::span<ebpf_hook_counter> counters) noexcept {
    const platform::LockScope guard(counters_lock_);
    if (!is_attached()) return std::unexpected(Status::NotAttached);
    const ebpf_hook_provider& table = *provider_->table;
    if (table.counters == nullptr) return std::size_t{0};
    return table.counters(table.provider, attachment_, counters.data(), counters.size());
}

Status LinkObject::detach() noexcept {
    {
        const platform::LockScope guard(counters_lock_);
        Phase attached = Phase::Attached;
        if (!phase_.compare_exchange_strong(attached, Phase::Detaching, std::memory_order_acq_rel)) {
            return Status::NotAttached;
        }
    }
    const ebpf_hook_provider& table = *provider_->table;
    table.detach(table.provider, attachment_);
    phase_.store(Phase::Detached, std::memory_order_release);
    state().leave_provider(*provider_);
    return Status::Ok;
}

}  // namespace ebpf::runtime
