// SPDX-License-Identifier: MIT
#include "runtime/state.hpp"

#include <type_traits>

#include "maps/map.hpp"
#include "platform/clock.hpp"
#include "platform/cpu.hpp"
#include "platform/task.hpp"
#include "runtime/attach_point.hpp"

namespace ebpf::runtime {
namespace {

std::uint64_t service_clock(void*) noexcept {
    return platform::monotonic_ns();
}

// SplitMix64; not for secrets. Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators
// (2014).
std::uint32_t service_random(void* owner, engine::Invocation& invocation) noexcept {
    std::uint64_t& state = static_cast<State*>(owner)->random[invocation.slot].state;
    state += 0x9e3779b97f4a7c15U;
    std::uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>((mixed ^ (mixed >> 31U)) >> 32U);
}

void service_trace(void* owner, const char* text, std::size_t bytes) noexcept {
    const auto& state = *static_cast<State*>(owner);
    state.trace(state.trace_owner, text, bytes);
}

void service_task(void*, engine::TaskPart part, engine::Task& task) noexcept {
    switch (part) {
        case engine::TaskPart::Ids:
            task.pid_tgid = platform::thread_ids();
            return;
        case engine::TaskPart::User:
            task.uid_gid = platform::user_ids();
            return;
        case engine::TaskPart::Name:
            platform::thread_name(task.name);
            return;
    }
}

}  // namespace

State::State(const ContextOptions& options, epoch::Domain& epochs, SlotRandom* slot_random) noexcept
    : context(*this),
      domain(epochs),
      services{service_clock, service_random, options.trace == nullptr ? nullptr : service_trace, this,
               service_task},
      random(slot_random),
      trace(options.trace),
      trace_owner(options.trace_owner),
      registries{Registry(kMaxId), Registry(kMaxId), Registry(kMaxId)} {}

void State::retire(Object& object) noexcept {
    {
        const platform::LockScope guard(lock);
        registry(object.kind()).remove(object);
    }
    object.retired_.free = [](epoch::Retired* node) noexcept {
        static_assert(std::is_standard_layout_v<Object>, "so that an object begins with its Retired");
        auto& retired = *reinterpret_cast<Object*>(node);
        std::atomic<Object*>& list = retired.state_->dead;
        retired.next_dead_ = list.load(std::memory_order_relaxed);
        while (!list.compare_exchange_weak(retired.next_dead_, &retired, std::memory_order_release,
                                           std::memory_order_relaxed)) {
        }
    };
    domain.retire(&object.retired_);
}

void State::reap() noexcept {
    do {
        if (is_reaping.exchange(true, std::memory_order_acq_rel)) return;
        domain.collect();
        // What is destroyed drops references, which retires more: go on until nothing comes.
        while (Object* object = dead.exchange(nullptr, std::memory_order_acquire)) {
            while (object != nullptr) {
                Object* next = object->next_dead_;
                destroy(*object);
                object = next;
            }
            domain.collect();
        }
        is_reaping.exchange(false, std::memory_order_acq_rel);
        // A thread that was turned away meanwhile relied on this one.
        domain.collect();
    } while (dead.load(std::memory_order_acquire) != nullptr);
}

void State::destroy(Object& object) noexcept {
    switch (object.kind()) {
        case ObjectKind::Map: {
            auto* map = static_cast<MapObject*>(&object);
            map->clear_programs();
            maps::Map::destroy(map->map_);
            unmake(map);
            return;
        }
        case ObjectKind::Program:
            unmake(static_cast<ProgramObject*>(&object));
            return;
        case ObjectKind::Link: {
            auto* link = static_cast<LinkObject*>(&object);
            link->program_.load(std::memory_order_relaxed)->release_internal();
            AttachPoint* const point = link->point_;
            bool is_last = false;
            if (point != nullptr) {
                const platform::LockScope guard(link->state_->lock);
                is_last = --point->links == 0;
            }
            if (is_last) unmake(point);
            unmake(link);
            return;
        }
    }
}

Status State::publish(ProgramObject& program) noexcept {
    const MapObject::Owner owner = MapObject::owner_of(program);
    const platform::LockScope guard(lock);
    for (const MapObject* map : program.maps()) {
        if (map->holds_programs() && map->owner_.is_set && map->owner_ != owner)
            return Status::InvalidArgument;
    }
    if (!registry(ObjectKind::Program).add(program)) return Status::OutOfMemory;
    for (MapObject* map : program.maps()) {
        if (map->holds_programs()) map->owner_ = owner;
    }
    program.Object::publish();
    return Status::Ok;
}

LinkObject* State::add_link(ProgramObject& program, const ebpf_attach_request& request) noexcept {
    auto* link = make<LinkObject>(*this, program, request);
    if (link == nullptr) return nullptr;
    link->point_ = make<AttachPoint>(*this, request);
    if (link->point_ != nullptr) link->point_->links = 1;
    if (link->point_ != nullptr && link->set_up()) {
        const platform::LockScope guard(lock);
        if (registry(ObjectKind::Link).add(*link)) return link;
    }
    destroy(*link);
    return nullptr;
}

void State::discard(Object& object) noexcept {
    {
        const platform::LockScope guard(lock);
        registry(object.kind()).remove(object);
    }
    destroy(object);
}

Object* State::next_alive(ObjectKind kind, std::uint32_t after) noexcept {
    Object* object = registry(kind).next(after);
    while (object != nullptr && object->references() == 0) object = registry(kind).next(object->id());
    return object;
}

Provider* State::find_provider(std::uint32_t program_type, std::uint32_t attach_type) noexcept {
    for (Provider* provider = providers; provider != nullptr; provider = provider->next) {
        const ProviderIdentity& identity = provider->identity;
        if (provider->table != nullptr && identity.program_type == program_type &&
            identity.attach_type == attach_type) {
            return provider;
        }
    }
    return nullptr;
}

Provider* State::find_provider(const ebpf_hook_provider* table) noexcept {
    Provider* provider = providers;
    while (provider != nullptr && (table == nullptr || provider->table != table)) provider = provider->next;
    return provider;
}

Provider* State::take_out(const LinkObject& link) noexcept {
    AttachPoint& point = *link.point_;
    point.remove(link);
    if (point.programs != 0) return nullptr;
    Provider& provider = *point.provider;
    point.phase.store(AttachPoint::Phase::Gone, std::memory_order_release);
    point.provider = nullptr;
    AttachPoint** place = &provider.points;
    while (*place != &point) place = &(*place)->next;
    *place = point.next;
    return take_out(provider);
}

Provider* State::take_out(Provider& provider) noexcept {
    if (provider.table != nullptr || provider.points != nullptr) return nullptr;
    Provider** place = &providers;
    while (*place != &provider) place = &(*place)->next;
    *place = provider.next;
    return &provider;
}

bool State::revive(const Provider& returning) noexcept {
    for (Provider* provider = providers; provider != nullptr; provider = provider->next) {
        if (provider->table != nullptr || provider->identity != returning.identity) continue;
        provider->table = returning.table;
        provider->is_closing = false;
        for (AttachPoint* point = provider->points; point != nullptr; point = point->next) {
            point->is_to_resume = true;
        }
        return true;
    }
    return false;
}

void State::detach_all() noexcept {
    std::uint32_t after = 0;
    while (true) {
        Ref<LinkObject> link;
        {
            const platform::LockScope guard(lock);
            Object* object = next_alive(ObjectKind::Link, after);
            if (object == nullptr) return;
            after = object->id();
            if (!object->try_acquire()) continue;
            link = Ref<LinkObject>::adopt(static_cast<LinkObject*>(object));
        }
        static_cast<void>(link->detach());
    }
}

epoch::Slot State::lease_slot() noexcept {
    if (const auto slot = domain.lease_slot()) return *slot;
    hooks_waiting.fetch_add(1, std::memory_order_relaxed);
    for (unsigned spins = 0;; ++spins) {
        if (const auto slot = domain.lease_slot()) {
            hooks_waiting.fetch_sub(1, std::memory_order_relaxed);
            return *slot;
        }
        constexpr unsigned kSpinsBeforeYield = 100;
        if (spins < kSpinsBeforeYield) {
            platform::relax();
        } else {
            platform::yield();
        }
    }
}

epoch::Slot State::lease_slot_behind_hooks() noexcept {
    while (true) {
        if (hooks_waiting.load(std::memory_order_relaxed) == 0) {
            if (const auto slot = domain.lease_slot()) return *slot;
        }
        platform::yield();
    }
}

}  // namespace ebpf::runtime
