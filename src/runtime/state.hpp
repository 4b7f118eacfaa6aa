// SPDX-License-Identifier: MIT
// State: what a context consists of. Private to src/runtime.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "base/allocate.hpp"
#include "engine/engine.hpp"
#include "epoch/epoch.hpp"
#include "platform/spin_lock.hpp"
#include "runtime/context.hpp"
#include "runtime/pins.hpp"
#include "runtime/provider.hpp"
#include "runtime/registry.hpp"
#include "spec/catalogue.hpp"

namespace ebpf::runtime {

class Reason;

/// Random numbers of one slot; used by the thread that leases it.
struct alignas(64) SlotRandom {
    std::uint64_t state = 0;
};

/// The state of a context.
///
/// Invariants: `lock` guards registries, pins, providers, and the owners of prog arrays; nothing that can
/// block, call a provider or drop a reference is done under it. Objects at 0 references go through three
/// stations: retired (in `domain`, until no epoch sees them), dead (in `dead`), destroyed (by reap()). free()
/// callbacks only move objects from the first to the second, because a hook thread may run them: it must not
/// free images, maps or pages. Threads: any.
struct State {
    State(const ContextOptions& options, epoch::Domain& epochs, SlotRandom* slot_random) noexcept;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() = default;

    Registry& registry(ObjectKind kind) noexcept { return registries[static_cast<std::size_t>(kind)]; }

    /// Takes an object without references out of its registry and retires it.
    void retire(Object& object) noexcept;
    /// Destroys what no epoch can see any more. Returns at once while another thread does.
    void reap() noexcept;
    /// Gives a complete program its id and makes it visible, unless one of its prog arrays belongs to other
    /// programs. Errors: InvalidArgument - so it does; OutOfMemory. Then nothing has changed.
    Status publish(ProgramObject& program) noexcept;
    /// Makes a link that lookups do not find yet, with its id, at a new attach point that belongs to no
    /// provider yet; nullptr when memory is short.
    LinkObject* add_link(ProgramObject& program, const ebpf_attach_request& request) noexcept;
    /// Destroys an object that has an id but was never published.
    void discard(Object& object) noexcept;
    /// Takes a link out of its attach point, and the point out of the provider if it was the last one.
    /// Returns the provider's record if nothing needs it any more, for unmake(). Requires: lock is held; the
    /// point is not moving.
    Provider* take_out(const LinkObject& link) noexcept;
    /// Takes the record of a provider out if nothing needs it, and returns it then. Requires: lock is held.
    Provider* take_out(Provider& provider) noexcept;
    /// Gives the record of a provider that has gone to one that is the same. Requires: lock is held.
    bool revive(const Provider& returning) noexcept;

    struct Joined {
        Status status = Status::Ok;
        bool is_to_attach = false;     ///< the caller is to attach the point, which is in phase Attaching
        AttachPoint* spare = nullptr;  ///< for unmake()
    };
    /// Puts a link among those of its attach point. Nothing: the point is moving, try again.
    std::optional<Joined> join(LinkObject& link, const ChainPlace& place, Reason& reason) noexcept;
    /// Destroys an object that no other thread can have seen or can see any more.
    static void destroy(Object& object) noexcept;

    /// Finds an object and counts a user reference. Errors: NotFound - not there, or going away.
    template <typename T>
    StatusOr<Ref<T>> find(std::uint32_t id) noexcept {
        reap();
        const platform::LockScope guard(lock);
        Object* object = registry(T::kKind).find(id);
        if (object == nullptr || !object->try_acquire()) return std::unexpected(Status::NotFound);
        return Ref<T>::adopt(static_cast<T*>(object));
    }
    /// The first object of `kind` above `after` that has references; takes no reference. Requires: lock is
    /// held.
    Object* next_alive(ObjectKind kind, std::uint32_t after) noexcept;
    /// The registered provider for a program type and attach type, or nullptr. Requires: lock is held.
    Provider* find_provider(std::uint32_t program_type, std::uint32_t attach_type) noexcept;
    /// The record of a registered provider, or nullptr. Requires: lock is held.
    Provider* find_provider(const ebpf_hook_provider* table) noexcept;
    /// Detaches all links that have references.
    void detach_all() noexcept;

    /// Constructs a T in allocated memory, or returns nullptr.
    template <typename T, typename... Arguments>
    static T* make(Arguments&&... arguments) noexcept {
        void* memory = allocate(sizeof(T), alignof(T));
        return memory == nullptr ? nullptr : ::new (memory) T(std::forward<Arguments>(arguments)...);
    }
    /// Ends a T made by make().
    template <typename T>
    static void unmake(T* object) noexcept {
        object->~T();
        release(object, sizeof(T), alignof(T));
    }

    /// Waits until a per-CPU slot is free and takes it: for hook threads.
    epoch::Slot lease_slot() noexcept;
    /// The same for requests, which let waiting hook threads go first, however often they run programs.
    epoch::Slot lease_slot_behind_hooks() noexcept;

    Context context;
    epoch::Domain& domain;
    engine::Services services;
    SlotRandom* random;
    std::atomic<bool> is_stats_enabled{false};
    std::atomic<std::uint32_t> next_type{spec::kFirstRegisteredType};  // of program types to be registered
    void (*trace)(void* owner, const char* text, std::size_t bytes) noexcept;
    void* trace_owner;

    platform::SpinLock lock;
    Registry registries[3];
    PinTable pins;
    Provider* providers = nullptr;

    std::atomic<Object*> dead{nullptr};
    std::atomic<bool> is_reaping{false};
    std::atomic<std::uint32_t> hooks_waiting{0};  // hook threads in lease_slot()
};

}  // namespace ebpf::runtime
