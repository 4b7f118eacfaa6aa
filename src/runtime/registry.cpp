// SPDX-License-Identifier: MIT
#include "runtime/registry.hpp"

#include "base/assert.hpp"

namespace ebpf::runtime {

std::size_t Registry::lower_bound(std::uint32_t id) const noexcept {
    std::size_t first = 0;
    std::size_t count = objects_.size();
    while (count > 0) {
        const std::size_t half = count / 2;
        if (objects_[first + half]->id() < id) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

bool Registry::add(Object& object) noexcept {
    if (objects_.size() >= max_id_ || !objects_.push_back(nullptr)) return false;
    // The place at the end is still empty: leave it out of the searches.
    const std::size_t count = objects_.size() - 1;
    static_cast<void>(objects_.resize(count));

    std::uint32_t id = last_id_;
    std::size_t place = 0;
    do {
        id = id == max_id_ ? 1 : id + 1;
        place = lower_bound(id);
    } while (place < count && objects_[place]->id() == id);

    static_cast<void>(objects_.resize(count + 1));
    for (std::size_t i = count; i > place; --i) objects_[i] = objects_[i - 1];
    object.id_ = id;
    objects_[place] = &object;
    last_id_ = id;
    return true;
}

void Registry::remove(const Object& object) noexcept {
    std::size_t place = lower_bound(object.id());
    EBPF_ASSERT(place < objects_.size() && objects_[place] == &object);
    for (; place + 1 < objects_.size(); ++place) objects_[place] = objects_[place + 1];
    static_cast<void>(objects_.resize(objects_.size() - 1));
}

Object* Registry::find(std::uint32_t id) const noexcept {
    const std::size_t place = lower_bound(id);
    return place < objects_.size() && objects_[place]->id() == id ? objects_[place] : nullptr;
}

Object* Registry::next(std::uint32_t after) const noexcept {
    if (after >= max_id_) return nullptr;
    const std::size_t place = lower_bound(after + 1);
    return place < objects_.size() ? objects_[place] : nullptr;
}

}  // namespace ebpf::runtime
