// SPDX-License-Identifier: MIT
#include "runtime/attach_point.hpp"

#include "runtime/dispatch.hpp"
#include "runtime/reason.hpp"

namespace ebpf::runtime {

void AttachPoint::join(Provider& its) noexcept {
    provider = &its;
    hook = its.identity;
    runs_all = hook.combine == EBPF_COMBINE_ALL;
    next = its.points;
    its.points = this;
}

void AttachPoint::begin(Phase moving) noexcept {
    phase.store(moving, std::memory_order_release);
    ++provider->busy;
}

void AttachPoint::finish(Phase now) noexcept {
    phase.store(now, std::memory_order_release);
    --provider->busy;
}

const LinkObject* AttachPoint::link_of(const ProgramObject& program) const noexcept {
    const LinkObject* link = first.load(std::memory_order_relaxed);
    while (link != nullptr && link->program_.load(std::memory_order_relaxed) != &program) {
        link = link->next_.load(std::memory_order_relaxed);
    }
    return link;
}

Status AttachPoint::admit(const LinkObject& link, Reason& reason) const noexcept {
    if (const LinkObject* same = link_of(*link.program_.load(std::memory_order_relaxed))) {
        reason.write("it is attached already there, by link ", same->id());
        return Status::AlreadyExists;
    }
    if (request.flags != link.request_.flags) {
        reason.write("flags ", link.request_.flags, " differ from those of the programs that are there, ",
                     request.flags);
        return Status::InvalidArgument;
    }
    if (programs < hook.max_programs) return Status::Ok;
    if (hook.max_programs == 1) {
        reason.write("hook '", hook.name, "' takes one program at a place, and another one is attached");
        return Status::Busy;
    }
    reason.write("hook '", hook.name, "' takes at most ", hook.max_programs,
                 " programs at a place, and there are ", programs);
    return Status::LimitExceeded;
}

void AttachPoint::insert(LinkObject& link) noexcept {
    std::atomic<LinkObject*>* place = &first;
    LinkObject* behind = place->load(std::memory_order_relaxed);
    while (behind != nullptr && behind->priority_ <= link.priority_) {
        place = &behind->next_;
        behind = place->load(std::memory_order_relaxed);
    }
    link.next_.store(behind, std::memory_order_relaxed);
    place->store(&link, std::memory_order_release);
    ++programs;
}

void AttachPoint::remove(const LinkObject& link) noexcept {
    std::atomic<LinkObject*>* place = &first;
    while (LinkObject* at = place->load(std::memory_order_relaxed)) {
        if (at == &link) {
            place->store(link.next_.load(std::memory_order_relaxed), std::memory_order_release);
            --programs;
            return;
        }
        place = &at->next_;
    }
}

int AttachPoint::bring_up(std::span<char> reason) noexcept {
    const ebpf_hook_provider& table = *provider->table;
    const auto type = static_cast<spec::ProgramType>(hook.program_type);
    return table.attach(table.provider, &request, &Dispatch::table(type), this, &attachment, reason.data(),
                        reason.size());
}

void AttachPoint::take_down() noexcept {
    {
        const platform::LockScope until_counted(counters_lock);
    }
    const ebpf_hook_provider& table = *provider->table;
    table.detach(table.provider, attachment);
}

}  // namespace ebpf::runtime
