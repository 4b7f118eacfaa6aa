// SPDX-License-Identifier: MIT
// The objects of a context, and Ref, the counted reference that keeps one alive. See docs/memory.md.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/fallible_vector.hpp"
#include "base/status.hpp"
#include "ebpf/hook_provider.h"
#include "engine/engine.hpp"
#include "epoch/epoch.hpp"
#include "helpers/tail_target.hpp"
#include "runtime/per_slot.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::maps {
class Map;
}

namespace ebpf::runtime {

struct State;
struct AttachPoint;
struct ProgramDefinition;
class MapObject;
class ProgramObject;
class LinkObject;

inline constexpr std::size_t kNameBytes = 64;     ///< with the NUL
inline constexpr std::size_t kMaxPinBytes = 256;  ///< with the NUL
inline constexpr std::size_t kTagBytes = 8;

enum class ObjectKind : std::uint8_t { Map, Program, Link };

/// What all objects have.
///
/// Invariants: two counts are kept in one word: all references, and those of users (Refs and pins; the others
/// are held by objects for each other). At 0 references an object can never be referenced again; the thread
/// that took the count there, and only it, unlinks the object from its registry and retires it. Memory is
/// freed when no epoch can see the object. Lookups by id never revive an object at 0.
///
/// Threads: any, for every member.
class Object {
  public:
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    [[nodiscard]] ObjectKind kind() const noexcept { return kind_; }
    /// Unique per kind in the context, from 1; not used again before the numbers wrap at kMaxId.
    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
    [[nodiscard]] const char* name() const noexcept { return name_; }
    /// Time of creation on platform::monotonic_ns()'s clock.
    [[nodiscard]] std::uint64_t created_ns() const noexcept { return created_ns_; }
    [[nodiscard]] std::uint32_t creator_uid() const noexcept { return creator_uid_; }
    [[nodiscard]] std::uint32_t pins() const noexcept { return pins_.load(std::memory_order_relaxed); }
    /// References of all holders at this moment; for display and tests.
    [[nodiscard]] std::uint32_t references() const noexcept {
        return static_cast<std::uint32_t>(counts_.load(std::memory_order_relaxed));
    }

    /// Counts one more user reference. Requires: the caller holds a reference. Ref does this.
    void acquire() noexcept { counts_.fetch_add(kUserReference, std::memory_order_relaxed); }
    /// Gives a user reference back; the last one of a link detaches it. Requires: outside epochs and locks.
    void release() noexcept;

  protected:
    Object(State& state, ObjectKind kind, const char* name, std::uint32_t creator_uid) noexcept;
    ~Object() = default;

    [[nodiscard]] State& state() const noexcept { return *state_; }

  private:
    friend struct State;
    friend class Context;
    friend class Registry;
    friend class PinTable;
    friend class MapObject;
    friend class ProgramObject;
    friend class LinkObject;
    friend class HeldMap;

    static constexpr std::uint64_t kReference = 1;
    static constexpr std::uint64_t kUserReference = (std::uint64_t{1} << 32U) + kReference;

    /// Counts a user reference unless the object is at 0 (not published yet, or going away).
    [[nodiscard]] bool try_acquire() noexcept;
    /// A reference held by another object.
    void acquire_internal() noexcept { counts_.fetch_add(kReference, std::memory_order_relaxed); }
    void release_internal() noexcept;
    /// Gives the object its first reference, the creator's; from here on lookups find it.
    void publish() noexcept { counts_.store(kUserReference, std::memory_order_release); }

    epoch::Retired retired_;  // first, so that a retired node is found back as its object
    State* state_;
    Object* next_dead_ = nullptr;
    std::atomic<std::uint64_t> counts_{0};
    std::atomic<std::uint32_t> pins_{0};
    std::uint32_t id_ = 0;
    std::uint32_t creator_uid_;
    std::uint64_t created_ns_;
    ObjectKind kind_;
    char name_[kNameBytes];
};

/// A counted reference to a T, or nothing.
/// Threads: as a plain pointer: different Refs to one object may be used by any threads at the same time.
/// Lifetime: must not outlive the context. Dropping the last one of a link calls its provider: see
/// Object::release().
template <typename T>
class Ref {
  public:
    Ref() noexcept = default;
    /// Takes over a user reference that has been counted already.
    static Ref adopt(T* object) noexcept { return Ref(object); }
    /// Counts a further reference to `object`. Requires: the caller knows it to be referenced.
    static Ref share(T& object) noexcept {
        object.acquire();
        return Ref(&object);
    }

    Ref(const Ref& other) noexcept : object_(other.object_) {
        if (object_ != nullptr) object_->acquire();
    }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    template <std::derived_from<T> U>
        requires(!std::same_as<U, T>)
    Ref(const Ref<U>& other) noexcept : object_(other.get()) {
        if (object_ != nullptr) object_->acquire();
    }
    template <std::derived_from<T> U>
        requires(!std::same_as<U, T>)
    Ref(Ref<U>&& other) noexcept : object_(other.detach()) {}
    Ref& operator=(const Ref& other) noexcept {
        if (this != &other) *this = Ref(other);
        return *this;
    }
    Ref& operator=(Ref&& other) noexcept {
        Ref moved(std::move(other));
        std::swap(object_, moved.object_);
        return *this;
    }
    ~Ref() { reset(); }

    void reset() noexcept {
        if (T* object = std::exchange(object_, nullptr)) object->release();
    }
    /// Returns the object, whose reference the caller now owns.
    [[nodiscard]] T* detach() noexcept { return std::exchange(object_, nullptr); }

    [[nodiscard]] T* get() const noexcept { return object_; }
    T* operator->() const noexcept { return object_; }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.object_ == b.object_; }

  private:
    explicit Ref(T* object) noexcept : object_(object) {}

    T* object_ = nullptr;
};

/// A map with its identity. Element functions are those of requests: programs reach the map through helpers.
class MapObject final : public Object {
  public:
    static constexpr ObjectKind kKind = ObjectKind::Map;

    [[nodiscard]] const spec::MapShape& shape() const noexcept;
    /// The map itself; its functions marked "inside" need an epoch of the context.
    [[nodiscard]] maps::Map& map() const noexcept { return *map_; }
    /// What a program that refers to this map is bound to.
    [[nodiscard]] engine::MapBinding binding() const noexcept;

    /// Makes requests that would change the map fail with NoPermission, for ever; programs may still write
    /// unless the map is read-only for them.
    /// Errors: Busy - frozen already, or a change is under way (as Linux).
    Status freeze() noexcept;
    [[nodiscard]] bool is_frozen() const noexcept {
        return (writers_.load(std::memory_order_acquire) & kFrozen) != 0;
    }

    /// Copies the value under `key` out; a prog array gives the program's id. Here and below keys and values
    /// have the sizes of the shape. Errors: NotFound.
    Status read(const void* key, void* value) noexcept;
    /// Stores a value.
    /// Errors: NoPermission - frozen; NotSupported - a prog array; those of maps::Map::update().
    Status update(const void* key, const void* value, std::uint64_t flags) noexcept;
    /// Deletes an element; a prog array's too.
    /// Errors: NoPermission - frozen; NotFound; InvalidArgument - an array; TooBig - index of a prog array.
    Status erase(const void* key) noexcept;
    /// Copies the key after `key` (nullptr: the first). Errors: NotFound - no more.
    Status next_key(const void* key, void* next) noexcept;
    /// Number of elements that exist.
    [[nodiscard]] std::uint32_t count() const noexcept;

    /// Puts `program` at `index` of a prog array, which keeps it alive until it is replaced, erased, or the
    /// last user reference (Ref or pin) to this map goes: then the array is emptied, which ends reference
    /// cycles (as Linux).
    /// Errors: WrongKind - not a prog array; InvalidArgument - no program, or its type, attach type
    ///   or memory length differs from those of the array's first program or first user; TooBig - index;
    ///   NoPermission - frozen.
    Status put_program(std::uint32_t index, const Ref<ProgramObject>& program) noexcept;

  private:
    friend struct State;
    friend class Context;
    friend class Object;

    static constexpr std::uint32_t kFrozen = 1U << 31U;
    struct Owner {
        bool is_set = false;
        spec::ProgramType type{};
        std::uint32_t attach_type = 0;
        std::uint64_t memory_length = 0;  // a tail call hands the same memory on
        friend bool operator==(const Owner&, const Owner&) = default;
    };
    class Writing;

    MapObject(State& state, const char* name, std::uint32_t creator_uid, maps::Map& map) noexcept
        : Object(state, kKind, name, creator_uid), map_(&map) {}
    ~MapObject() = default;

    [[nodiscard]] bool holds_programs() const noexcept;
    Status replace_program(std::uint32_t index, ProgramObject* program) noexcept;
    void clear_programs() noexcept;
    static Owner owner_of(const ProgramObject& program) noexcept;

    maps::Map* map_;
    std::atomic<std::uint32_t> writers_{0};  // kFrozen, or how many requests are changing the map
    Owner owner_;                            // of a prog array; guarded by the state's lock
};

/// A program's reference to a map: counted among all, not among users.
class HeldMap {
  public:
    /// Requires: the caller knows `map` to be referenced.
    explicit HeldMap(MapObject& map) noexcept;
    HeldMap(HeldMap&& other) noexcept : map_(std::exchange(other.map_, nullptr)) {}
    HeldMap(const HeldMap&) = delete;
    HeldMap& operator=(const HeldMap&) = delete;
    HeldMap& operator=(HeldMap&&) = delete;
    ~HeldMap();

    operator MapObject*() const noexcept { return map_; }

  private:
    MapObject* map_;
};

/// Where a program runs among others at one attach point.
struct ChainPlace {
    std::optional<std::uint32_t> priority;  ///< lower ones run first; nothing: kDefaultPriority
    std::optional<std::uint32_t> actions;   ///< chain-call actions, bit n for result n; nothing: the hook's
};
inline constexpr std::uint32_t kDefaultPriority = 50;  ///< libxdp's

/// What an image calls that must stay as long as it, such as a library with helpers. Let go once.
struct Dependency {
    void* object = nullptr;
    void (*release)(void* object) noexcept = nullptr;  ///< nullptr: there is none; outside epochs and locks

    void let_go() const noexcept {
        if (release != nullptr) release(object);
    }
};

/// A verified program with its image.
class ProgramObject final : public Object {
  public:
    static constexpr ObjectKind kKind = ObjectKind::Program;

    [[nodiscard]] spec::ProgramType type() const noexcept { return type_; }
    [[nodiscard]] std::uint32_t attach_type() const noexcept { return attach_type_; }
    [[nodiscard]] std::span<const std::uint8_t, kTagBytes> tag() const noexcept { return tag_; }
    [[nodiscard]] bool is_gpl_compatible() const noexcept { return is_gpl_compatible_; }
    /// The bytecode as it was verified, before lowering.
    [[nodiscard]] std::span<const std::byte> bytecode() const noexcept { return bytecode_; }
    /// What runs now; stays as long as the program, also when it is no longer what runs.
    [[nodiscard]] const engine::Image& image() const noexcept {
        return *target_.image.load(std::memory_order_acquire);
    }
    /// Bytes of memory of the images.
    [[nodiscard]] std::size_t image_bytes() const noexcept;
    /// Runs `image`, made of the same verified code by a better engine, from now on; runs under way end in
    /// the first one. Ownership passes, also on failure. Requires: image is not nullptr. Errors:
    /// AlreadyExists - it has moved up before.
    Status move_up(engine::Image* image) noexcept;
    /// Bytes of memory that the program was verified for; ProgramType::Memory only.
    [[nodiscard]] std::uint64_t memory_length() const noexcept { return memory_length_; }
    /// Where it wants to run, for links that do not say.
    [[nodiscard]] const ChainPlace& place() const noexcept { return place_; }
    /// The maps it refers to, alive as long as the program.
    [[nodiscard]] std::span<const HeldMap> maps() const noexcept { return maps_; }
    /// How often it was entered from a hook or run(); a tail call counts for the program that was entered, as
    /// on Linux.
    [[nodiscard]] std::uint64_t run_count() const noexcept;
    /// Nanoseconds spent in it while statistics were enabled.
    [[nodiscard]] std::uint64_t run_time_ns() const noexcept;

  private:
    friend struct State;
    friend class Context;
    friend class MapObject;
    friend class LinkObject;
    friend class Dispatch;
    friend class Batch;

    struct alignas(64) Counter {
        std::atomic<std::uint64_t> runs{0};
        std::atomic<std::uint64_t> time_ns{0};
    };

    ProgramObject(State& state, const ProgramDefinition& definition) noexcept;
    ~ProgramObject();
    ProgramObject(const ProgramObject&) = delete;
    ProgramObject& operator=(const ProgramObject&) = delete;
    /// Takes the memory of bytecode, map list and counters. False when memory is short.
    [[nodiscard]] bool set_up(const ProgramDefinition& definition) noexcept;

    helpers::TailTarget target_;  // what prog arrays hold
    engine::Image* first_image_;  // what ran before move_up(): kept, as runs may still be in it
    PerSlot<Counter> counters_;
    spec::ProgramType type_;
    std::uint32_t attach_type_;
    std::uint8_t tag_[kTagBytes];
    bool is_gpl_compatible_;
    std::uint64_t memory_length_;
    ChainPlace place_;
    Dependency dependency_;
    FallibleVector<std::byte> bytecode_;
    FallibleVector<HeldMap> maps_;
};

/// A program attached to a hook.
class LinkObject final : public Object {
  public:
    static constexpr ObjectKind kKind = ObjectKind::Link;

    /// The program that runs now.
    [[nodiscard]] Ref<ProgramObject> program() const noexcept;
    [[nodiscard]] const ebpf_attach_request& request() const noexcept { return request_; }
    [[nodiscard]] bool is_attached() const noexcept;
    /// Whether the hook's provider has gone, or refused when it came back: the link is attached again when
    /// the provider returns unchanged.
    [[nodiscard]] bool is_suspended() const noexcept;
    /// Name of the hook. Lifetime: the link's.
    [[nodiscard]] const char* hook() const noexcept;
    /// How the results at its attach point combine.
    [[nodiscard]] ebpf_combine combine() const noexcept;
    [[nodiscard]] std::uint32_t priority() const noexcept { return priority_; }
    /// Results after which the next program runs (EBPF_COMBINE_ALL: which permit), as bits.
    [[nodiscard]] std::uint32_t actions() const noexcept { return actions_; }
    /// How many programs run before it at its attach point. Errors: NotAttached - it was detached.
    [[nodiscard]] StatusOr<std::uint32_t> position() const noexcept;
    /// How often it was invoked.
    [[nodiscard]] std::uint64_t run_count() const noexcept;
    /// How often its result was none of actions(): it ended the chain, or (EBPF_COMBINE_ALL) refused.
    [[nodiscard]] std::uint64_t ended_count() const noexcept;
    /// Copies up to counters.size() counters that the hook keeps for the attach point, returns how many there
    /// are (0 when it keeps none). Errors: NotAttached.
    StatusOr<std::size_t> counters(std::span<ebpf_hook_counter> counters) noexcept;

  private:
    friend struct State;
    friend struct AttachPoint;
    friend class Context;
    friend class Object;
    friend class Dispatch;

    /// Only ever grows; changes under the state's lock. Detaching: one thread takes it out.
    enum class Phase : std::uint8_t { Attaching, Attached, Detaching, Detached };

    struct alignas(64) Counter {
        std::atomic<std::uint64_t> runs{0};
        std::atomic<std::uint64_t> ended{0};
    };

    LinkObject(State& state, ProgramObject& program, const ebpf_attach_request& request) noexcept;
    ~LinkObject();
    LinkObject(const LinkObject&) = delete;
    LinkObject& operator=(const LinkObject&) = delete;
    /// Takes the memory of the counters. False when memory is short.
    [[nodiscard]] bool set_up() noexcept;

    /// Detaches if attached. Errors: NotAttached - another thread did or does.
    Status detach() noexcept;

    std::atomic<ProgramObject*> program_;     // internal reference; readers load it inside an epoch
    std::atomic<LinkObject*> next_{nullptr};  // the next at the attach point, for readers in epochs
    PerSlot<Counter> counters_;
    std::uint32_t actions_ = 0;  // this and the priority: constant once attached
    std::uint32_t priority_ = kDefaultPriority;
    AttachPoint* point_ = nullptr;  // as long as the link
    ebpf_attach_request request_;
    std::atomic<Phase> phase_{Phase::Attaching};
};

/// Narrows a reference to its kind. Errors: WrongKind.
template <typename T>
StatusOr<Ref<T>> ref_cast(const Ref<Object>& object) noexcept {
    if (!object || object->kind() != T::kKind) return std::unexpected(Status::WrongKind);
    return Ref<T>::share(static_cast<T&>(*object));
}

}  // namespace ebpf::runtime
