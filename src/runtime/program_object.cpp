// SPDX-License-Identifier: MIT
#include <cstring>

#include "runtime/state.hpp"

namespace ebpf::runtime {

HeldMap::HeldMap(MapObject& map) noexcept : map_(&map) {
    map.acquire_internal();
}

HeldMap::~HeldMap() {
    if (map_ != nullptr) map_->release_internal();
}

ProgramObject::ProgramObject(State& state, const ProgramDefinition& definition) noexcept
    : Object(state, kKind, definition.name, definition.creator_uid),
      target_{definition.image, this},
      first_image_(definition.image),
      type_(definition.type),
      attach_type_(definition.attach_type),
      tag_{},
      is_gpl_compatible_(definition.is_gpl_compatible),
      memory_length_(definition.memory_length),
      place_(definition.place),
      dependency_(definition.dependency) {
    std::memcpy(tag_, definition.tag, sizeof tag_);
}

bool ProgramObject::set_up(const ProgramDefinition& definition) noexcept {
    if (!counters_.set_up(state().domain.slots())) return false;
    if (!bytecode_.resize(definition.bytecode.size()) || !maps_.reserve(definition.maps.size())) return false;
    if (!bytecode_.empty()) std::memcpy(bytecode_.data(), definition.bytecode.data(), bytecode_.size());
    for (const Ref<MapObject>& map : definition.maps) {
        static_cast<void>(maps_.push_back(HeldMap(*map)));  // reserved
    }
    return true;
}

ProgramObject::~ProgramObject() {
    engine::Image* const image = target_.image.load(std::memory_order_relaxed);
    if (image != first_image_) image->destroy(image);
    first_image_->destroy(first_image_);
    dependency_.let_go();
}

std::size_t ProgramObject::image_bytes() const noexcept {
    const engine::Image& now = image();
    return first_image_->bytes + (&now == first_image_ ? 0 : now.bytes);
}

Status ProgramObject::move_up(engine::Image* image) noexcept {
    engine::Image* first = first_image_;
    if (target_.image.compare_exchange_strong(first, image, std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
        return Status::Ok;
    }
    image->destroy(image);
    return Status::AlreadyExists;
}

std::uint64_t ProgramObject::run_count() const noexcept {
    return counters_.sum(&Counter::runs);
}

std::uint64_t ProgramObject::run_time_ns() const noexcept {
    return counters_.sum(&Counter::time_ns);
}

}  // namespace ebpf::runtime
