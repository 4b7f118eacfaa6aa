// SPDX-License-Identifier: MIT
// Context: making and ending it, maps and programs, lookups, running.
#include "runtime/context.hpp"

#include <cstring>
#include <new>

#include "base/assert.hpp"
#include "maps/map.hpp"
#include "platform/cpu.hpp"
#include "platform/random.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {
namespace {

SlotRandom* make_random(std::uint32_t slots) noexcept {
    auto* random = static_cast<SlotRandom*>(allocate(slots * sizeof(SlotRandom), alignof(SlotRandom)));
    for (std::uint32_t i = 0; random != nullptr && i < slots; ++i) ::new (&random[i]) SlotRandom();
    return random;
}

void free_random(SlotRandom* random, std::uint32_t slots) noexcept {
    release(random, slots * sizeof(SlotRandom), alignof(SlotRandom));
}

bool seed(SlotRandom* random, std::uint32_t slots) noexcept {
    for (std::uint32_t i = 0; i < slots; ++i) {
        std::byte bytes[sizeof random[i].state];
        if (!platform::fill_random(bytes)) return false;
        std::memcpy(&random[i].state, bytes, sizeof bytes);
    }
    return true;
}

}  // namespace

StatusOr<Context*> Context::create(const ContextOptions& options) noexcept {
    const std::uint32_t slots = options.slots == 0 ? platform::possible_cpus() : options.slots;
    const auto domain = epoch::Domain::create(slots);
    if (!domain) return std::unexpected(domain.error());
    SlotRandom* random = make_random(slots);
    State* state = nullptr;
    Status status = Status::OutOfMemory;
    if (random != nullptr) {
        status = seed(random, slots) ? Status::OutOfMemory : Status::Environment;
        if (status == Status::OutOfMemory) state = State::make<State>(options, **domain, random);
    }
    if (state == nullptr) {
        if (random != nullptr) free_random(random, slots);
        epoch::Domain::destroy(*domain);
        return std::unexpected(status);
    }
    return &state->context;
}

void Context::destroy(Context* context) noexcept {
    if (context == nullptr) return;
    State* state = context->state_;
    state->detach_all();
    while (Ref<Object> pinned = state->pins.remove_first()) pinned.reset();
    state->domain.synchronise();
    state->reap();
    for (const Registry& registry : state->registries) EBPF_ASSERT(registry.size() == 0);
    while (Provider* provider = state->providers) {
        state->providers = provider->next;
        State::unmake(provider);
    }
    epoch::Domain* domain = &state->domain;
    free_random(state->random, domain->slots());
    epoch::Domain::destroy(domain);
    State::unmake(state);
}

std::uint32_t Context::slots() const noexcept {
    return state_->domain.slots();
}

StatusOr<Ref<MapObject>> Context::create_map(const spec::MapShape& shape, const char* name,
                                             std::uint32_t creator_uid) noexcept {
    state_->reap();
    const auto map = maps::Map::create(shape, state_->domain);
    if (!map) return std::unexpected(map.error());
    auto* object = State::make<MapObject>(*state_, name, creator_uid, **map);
    if (object == nullptr) {
        maps::Map::destroy(*map);
        return std::unexpected(Status::OutOfMemory);
    }
    {
        const platform::LockScope guard(state_->lock);
        if (state_->registry(ObjectKind::Map).add(*object)) {
            object->publish();
            return Ref<MapObject>::adopt(object);
        }
    }
    State::destroy(*object);
    return std::unexpected(Status::OutOfMemory);
}

StatusOr<spec::ProgramType> Context::add_program_type() noexcept {
    std::uint32_t number = state_->next_type.load();
    do {
        if (number == kMaxId) return std::unexpected(Status::NoSpace);
    } while (!state_->next_type.compare_exchange_weak(number, number + 1));
    return static_cast<spec::ProgramType>(number);
}

StatusOr<Ref<ProgramObject>> Context::add_program(const ProgramDefinition& definition) noexcept {
    state_->reap();
    if (definition.image == nullptr) {
        definition.dependency.let_go();
        return std::unexpected(Status::InvalidArgument);
    }
    Status status = Status::InvalidArgument;
    ProgramObject* program = nullptr;
    const auto type = static_cast<std::uint32_t>(definition.type);
    bool is_valid = spec::find_program_type(type) != nullptr ||
                    (type >= spec::kFirstRegisteredType && type < state_->next_type.load());
    for (const Ref<MapObject>& map : definition.maps) is_valid = is_valid && map;
    if (is_valid) {
        program = State::make<ProgramObject>(*state_, definition);
        status = Status::OutOfMemory;
    }
    if (program == nullptr) {
        definition.image->destroy(definition.image);
        definition.dependency.let_go();
        return std::unexpected(status);
    }
    if (program->set_up(definition)) {
        status = state_->publish(*program);
        if (status == Status::Ok) return Ref<ProgramObject>::adopt(program);
    }
    State::destroy(*program);
    return std::unexpected(status);
}

StatusOr<Ref<MapObject>> Context::find_map(std::uint32_t id) noexcept {
    return state_->find<MapObject>(id);
}

StatusOr<Ref<ProgramObject>> Context::find_program(std::uint32_t id) noexcept {
    return state_->find<ProgramObject>(id);
}

StatusOr<Ref<LinkObject>> Context::find_link(std::uint32_t id) noexcept {
    return state_->find<LinkObject>(id);
}

StatusOr<std::uint32_t> Context::next_id(ObjectKind kind, std::uint32_t after) noexcept {
    state_->reap();
    const platform::LockScope guard(state_->lock);
    const Object* object = state_->next_alive(kind, after);
    if (object == nullptr) return std::unexpected(Status::NotFound);
    return object->id();
}

Status Context::pin(const char* path, const Ref<Object>& object) noexcept {
    const std::string_view text = pin_text(path);
    if (text.empty() || !object) return Status::InvalidArgument;
    const platform::LockScope guard(state_->lock);
    return state_->pins.add(text, *object);
}

Status Context::unpin(const char* path) noexcept {
    Ref<Object> taken;  // dropped after the lock
    const platform::LockScope guard(state_->lock);
    taken = state_->pins.remove(pin_text(path));
    return taken ? Status::Ok : Status::NotFound;
}

StatusOr<Ref<Object>> Context::find_pin(const char* path) noexcept {
    const platform::LockScope guard(state_->lock);
    const PinTable::Pin* pin = state_->pins.find(pin_text(path));
    if (pin == nullptr) return std::unexpected(Status::NotFound);
    return Ref<Object>::share(*pin->object);
}

StatusOr<Ref<Object>> Context::next_pin(const char* after, std::span<char> path) noexcept {
    const platform::LockScope guard(state_->lock);
    const PinTable::Pin* pin = state_->pins.next(pin_text(after));
    if (pin == nullptr) return std::unexpected(Status::NotFound);
    if (path.size() <= pin->bytes) return std::unexpected(Status::TooBig);
    std::memcpy(path.data(), pin->text, pin->bytes);
    path[pin->bytes] = '\0';
    return Ref<Object>::share(*pin->object);
}

StatusOr<std::uint64_t> Context::run(ProgramObject& program, void* host_context, std::uint64_t r2) noexcept {
    return Batch(*this).run(program, host_context, r2);
}

const ebpf_hook_dispatch& Context::dispatch(spec::ProgramType type) noexcept {
    return Dispatch::table(type);
}

StatusOr<ebpf_hook_thread*> Context::enter_thread() noexcept {
    return Dispatch::enter_thread(*state_);
}

void Context::wait_for_invocations() noexcept {
    state_->domain.synchronise();
}

void Context::set_stats_enabled(bool enabled) noexcept {
    state_->is_stats_enabled.store(enabled, std::memory_order_relaxed);
}

bool Context::is_stats_enabled() const noexcept {
    return state_->is_stats_enabled.load(std::memory_order_relaxed);
}

}  // namespace ebpf::runtime
