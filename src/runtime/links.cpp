// SPDX-License-Identifier: MIT
// Context: links and hook providers.
#include <cstring>

#include "platform/cpu.hpp"
#include "runtime/attach_point.hpp"
#include "runtime/context.hpp"
#include "runtime/reason.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {
namespace {

/// Checks a request against the program. Errors: VersionMismatch, InvalidArgument.
Status check_request(const ProgramObject& program, const ebpf_attach_request& request,
                     Reason& reason) noexcept {
    if (request.version != EBPF_HOOK_ABI_VERSION || request.size != sizeof request) {
        reason.write("attach request of version ", request.version, " and ", request.size,
                     " bytes, expected ", EBPF_HOOK_ABI_VERSION, " and ",
                     static_cast<std::uint32_t>(sizeof request));
        return Status::VersionMismatch;
    }
    // 0 is what loaders pass that name no attach type; Linux takes it for any where the type has only one.
    if (program.attach_type() != 0 && program.attach_type() != request.attach_type) {
        reason.write("program '", program.name(), "' is for attach type ", program.attach_type(), ", not ",
                     request.attach_type);
        return Status::InvalidArgument;
    }
    return Status::Ok;
}

}  // namespace

std::optional<State::Joined> State::join(LinkObject& link, const ChainPlace& place, Reason& reason) noexcept {
    const platform::LockScope guard(lock);
    const ProgramObject& program = *link.program_.load(std::memory_order_relaxed);
    const auto type = static_cast<std::uint32_t>(program.type());
    Provider* provider = find_provider(type, link.request_.attach_type);
    if (provider == nullptr || provider->is_closing) {
        reason.write("no hook provider for program type ", type, ", attach type ", link.request_.attach_type);
        return Joined{Status::NotSupported};
    }
    const ProviderIdentity& hook = provider->identity;
    const bool knows_actions = hook.combine == EBPF_COMBINE_CHAIN;
    if (place.actions && !knows_actions) {
        reason.write("hook '", hook.name, "' runs every program: it knows no chain-call actions");
        return Joined{Status::InvalidArgument};
    }
    const ChainPlace& wish = program.place();
    link.priority_ = place.priority.value_or(wish.priority.value_or(kDefaultPriority));
    link.actions_ =
        knows_actions ? place.actions.value_or(wish.actions.value_or(hook.actions)) : hook.actions;

    AttachPoint* point = provider->points;
    while (point != nullptr && point->request.ifindex != link.request_.ifindex) point = point->next;
    if (point == nullptr) {
        link.point_->join(*provider);
        link.point_->insert(link);
        link.point_->begin(AttachPoint::Phase::Attaching);
        return Joined{Status::Ok, true};
    }
    if (point->is_moving()) return std::nullopt;
    if (const Status status = point->admit(link, reason); status != Status::Ok) return Joined{status};
    Joined joined{Status::Ok, !point->is_attached(), link.point_};
    link.point_ = point;
    ++point->links;
    point->insert(link);
    if (joined.is_to_attach) point->begin(AttachPoint::Phase::Attaching);
    return joined;
}

StatusOr<Ref<LinkObject>> Context::create_link(const Ref<ProgramObject>& program,
                                               const ebpf_attach_request& request,
                                               std::span<char> reason_buffer,
                                               const ChainPlace& place) noexcept {
    state_->reap();
    Reason reason(reason_buffer);
    if (!program) return std::unexpected(Status::InvalidArgument);
    if (const Status status = check_request(*program, request, reason); status != Status::Ok) {
        return std::unexpected(status);
    }
    LinkObject* link = state_->add_link(*program, request);
    if (link == nullptr) {
        reason.write("out of memory");
        return std::unexpected(Status::OutOfMemory);
    }
    auto joined = state_->join(*link, place, reason);
    for (; !joined; joined = state_->join(*link, place, reason)) platform::yield();
    if (joined->spare != nullptr) State::unmake(joined->spare);
    if (joined->status != Status::Ok) {
        state_->discard(*link);
        return std::unexpected(joined->status);
    }
    if (joined->is_to_attach) {
        if (const Status status = attach_first(*link, reason); status != Status::Ok)
            return std::unexpected(status);
    }
    link->phase_.store(LinkObject::Phase::Attached, std::memory_order_release);
    link->publish();
    return Ref<LinkObject>::adopt(link);
}

Status Context::attach_first(LinkObject& link, Reason& reason) noexcept {
    AttachPoint& point = *link.point_;
    const int code = point.bring_up(reason.buffer());
    if (code == 0) {
        const platform::LockScope guard(state_->lock);
        point.finish(AttachPoint::Phase::Attached);
        return Status::Ok;
    }
    reason.complete(point.hook.name, code);
    Provider* unused = nullptr;
    {
        const platform::LockScope guard(state_->lock);
        point.finish(AttachPoint::Phase::Suspended);
        unused = state_->take_out(link);
    }
    if (unused != nullptr) State::unmake(unused);
    state_->discard(link);
    return status_of_errno(code);
}

Status Context::update_link(LinkObject& link, const Ref<ProgramObject>& program) noexcept {
    if (!program) return Status::InvalidArgument;
    ProgramObject* old = nullptr;
    {
        const platform::LockScope guard(state_->lock);
        if (link.phase_.load(std::memory_order_relaxed) != LinkObject::Phase::Attached) {
            return Status::NotAttached;
        }
        old = link.program_.load(std::memory_order_relaxed);
        if (old->type() != program->type() || old->attach_type() != program->attach_type()) {
            return Status::InvalidArgument;
        }
        const LinkObject* other = link.point_->link_of(*program);
        if (other != nullptr && other != &link) return Status::AlreadyExists;
        program->acquire_internal();
        link.program_.store(program.get(), std::memory_order_release);
    }
    // Invocations that have loaded the old one are inside an epoch: its memory outlives them.
    old->release_internal();
    return Status::Ok;
}

Status Context::detach(LinkObject& link) noexcept {
    return link.detach();
}

Status Context::register_provider(const ebpf_hook_provider* table) noexcept {
    if (const Status status = validate_provider(table); status != Status::Ok) return status;
    auto* provider = State::make<Provider>();
    if (provider == nullptr) return Status::OutOfMemory;
    provider->table = table;
    provider->identity = ProviderIdentity::of(*table);
    bool is_known = false;
    Status status = Status::Ok;
    {
        const platform::LockScope guard(state_->lock);
        if (state_->find_provider(table->program_type, table->attach_type) != nullptr) {
            status = Status::AlreadyExists;
        } else {
            is_known = state_->revive(*provider);
            if (!is_known) provider->next = std::exchange(state_->providers, provider);
        }
    }
    if (is_known || status != Status::Ok) State::unmake(provider);
    if (is_known) resume_links(table);
    return status;
}

StatusOr<ProviderIdentity> Context::find_hook(const char* name) noexcept {
    const platform::LockScope guard(state_->lock);
    for (const Provider* provider = state_->providers; provider != nullptr; provider = provider->next) {
        const bool is_open = provider->table != nullptr && !provider->is_closing;
        if (is_open && std::strcmp(provider->identity.name, name) == 0) return provider->identity;
    }
    return std::unexpected(Status::NotFound);
}

void Context::resume_links(const ebpf_hook_provider* table) noexcept {
    char unread[64];
    for (;;) {
        AttachPoint* point = nullptr;
        {
            const platform::LockScope guard(state_->lock);
            const Provider* provider = state_->find_provider(table);
            if (provider == nullptr || provider->is_closing) return;
            point = provider->points;
            while (point != nullptr && !point->is_to_resume) point = point->next;
            if (point == nullptr) return;
            point->is_to_resume = false;
            if (point->phase.load(std::memory_order_relaxed) != AttachPoint::Phase::Suspended) continue;
            point->begin(AttachPoint::Phase::Attaching);
        }
        const int code = point->bring_up(unread);
        const platform::LockScope guard(state_->lock);
        point->finish(code == 0 ? AttachPoint::Phase::Attached : AttachPoint::Phase::Suspended);
    }
}

Status Context::unregister_provider(const ebpf_hook_provider* table) noexcept {
    for (;;) {
        AttachPoint* point = nullptr;
        Provider* unused = nullptr;
        {
            const platform::LockScope guard(state_->lock);
            Provider* provider = state_->find_provider(table);
            if (provider == nullptr) return Status::NotFound;
            provider->is_closing = true;
            point = provider->points;
            while (point != nullptr && !point->is_attached()) point = point->next;
            if (point != nullptr) {
                point->begin(AttachPoint::Phase::Detaching);
            } else {
                if (provider->busy != 0) return Status::Busy;
                provider->table = nullptr;
                unused = state_->take_out(*provider);
            }
        }
        if (point == nullptr) {
            if (unused != nullptr) State::unmake(unused);
            return Status::Ok;
        }
        point->take_down();
        const platform::LockScope guard(state_->lock);
        point->finish(AttachPoint::Phase::Suspended);
    }
}

}  // namespace ebpf::runtime
