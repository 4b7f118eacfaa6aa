// SPDX-License-Identifier: MIT
// Elements of maps as requests see them: freezing, and the references that prog arrays hold.
#include <cstring>

#include "helpers/helpers.hpp"
#include "maps/map.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {

/// A request that changes the map: counted for its length, so that freeze() never takes effect in the middle
/// of one.
class MapObject::Writing {
  public:
    explicit Writing(MapObject& map) noexcept : writers_(map.writers_) {
        std::uint32_t writers = writers_.load(std::memory_order_relaxed);
        do {
            is_allowed_ = (writers & kFrozen) == 0;
        } while (is_allowed_ &&
                 !writers_.compare_exchange_weak(writers, writers + 1, std::memory_order_acquire,
                                                 std::memory_order_relaxed));
    }
    ~Writing() {
        if (is_allowed_) writers_.fetch_sub(1, std::memory_order_release);
    }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

    [[nodiscard]] bool is_allowed() const noexcept { return is_allowed_; }

  private:
    std::atomic<std::uint32_t>& writers_;
    bool is_allowed_ = false;
};

const spec::MapShape& MapObject::shape() const noexcept {
    return map_->shape();
}

std::uint32_t MapObject::count() const noexcept {
    return map_->count();
}

engine::MapBinding MapObject::binding() const noexcept {
    return helpers::bind_map(*map_);
}

bool MapObject::holds_programs() const noexcept {
    return spec::find_map_type(static_cast<std::uint32_t>(shape().type))->holds == spec::MapHolds::Programs;
}

Status MapObject::freeze() noexcept {
    std::uint32_t none = 0;
    const bool is_ours = writers_.compare_exchange_strong(none, kFrozen, std::memory_order_acq_rel);
    return is_ours ? Status::Ok : Status::Busy;
}

Status MapObject::read(const void* key, void* value) noexcept {
    const epoch::ReaderScope reader(state().domain);
    return map_->read(key, value);
}

Status MapObject::next_key(const void* key, void* next) noexcept {
    const epoch::ReaderScope reader(state().domain);
    return map_->next_key(key, next);
}

Status MapObject::update(const void* key, const void* value, std::uint64_t flags) noexcept {
    const Writing writing(*this);
    if (!writing.is_allowed()) return Status::NoPermission;
    const epoch::ReaderScope reader(state().domain);
    return map_->update(key, value, flags);
}

Status MapObject::erase(const void* key) noexcept {
    const Writing writing(*this);
    if (!writing.is_allowed()) return Status::NoPermission;
    if (holds_programs()) {
        std::uint32_t index = 0;
        std::memcpy(&index, key, sizeof index);
        return replace_program(index, nullptr);
    }
    const epoch::ReaderScope reader(state().domain);
    return map_->erase(key);
}

MapObject::Owner MapObject::owner_of(const ProgramObject& program) noexcept {
    return {true, program.type(), program.attach_type(), program.memory_length()};
}

Status MapObject::put_program(std::uint32_t index, const Ref<ProgramObject>& program) noexcept {
    if (!holds_programs()) return Status::WrongKind;
    if (!program) return Status::InvalidArgument;
    const Writing writing(*this);
    if (!writing.is_allowed()) return Status::NoPermission;
    if (index >= shape().max_entries) return Status::TooBig;
    {
        const platform::LockScope guard(state().lock);
        const Owner owner = owner_of(*program);
        if (owner_.is_set && !(owner_ == owner)) return Status::InvalidArgument;
        owner_ = owner;
    }
    return replace_program(index, program.get());
}

Status MapObject::replace_program(std::uint32_t index, ProgramObject* program) noexcept {
    if (program != nullptr) program->acquire_internal();
    const auto old = maps::exchange_program(*map_, index, program == nullptr ? nullptr : &program->target_,
                                            program == nullptr ? 0 : program->id());
    if (!old) {
        if (program != nullptr) program->release_internal();
        return old.error();
    }
    const auto* target = static_cast<const helpers::TailTarget*>(*old);
    if (target == nullptr) return program == nullptr ? Status::NotFound : Status::Ok;
    // A tail call may be on its way into the old program: its memory outlives the epoch of that call.
    static_cast<ProgramObject*>(target->owner)->release_internal();
    return Status::Ok;
}

void MapObject::clear_programs() noexcept {
    if (!holds_programs()) return;
    for (std::uint32_t i = 0; i < shape().max_entries; ++i) static_cast<void>(replace_program(i, nullptr));
}

}  // namespace ebpf::runtime
