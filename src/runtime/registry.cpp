// SPDX-License-Identifier: MIT
#include "runtime/registry.hpp"

#include "base/assert.hpp"

namespace ebpf::runtime {

std::size_t Registry::lower_bound(std::uint32_t id) const noexcept {
    std::size_t first = 0;
    std::size_t count = entries_.size();
    while (count > 0) {
        const std::size_t half = count / 2;
        if (entries_[first + half].object->id() < id) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

bool Registry::add(Object& object) noexcept {
    if (entries_.size() >= max_id_ || !entries_.push_back({})) return false;
    // The place at the end is still empty: leave it out of the searches.
    const std::size_t count = entries_.size() - 1;
    static_cast<void>(entries_.resize(count));

    std::uint32_t id = last_id_;
    std::size_t place = 0;
    do {
        id = id == max_id_ ? 1 : id + 1;
        place = lower_bound(id);
    } while (place < count && entries_[place].object->id() == id);

    static_cast<void>(entries_.resize(count + 1));
    for (std::size_t i = count; i > place; --i) entries_[i] = entries_[i - 1];
    object.id_ = id;
    entries_[place].object = &object;
    last_id_ = id;
    return true;
}

void Registry::remove(const Object& object) noexcept {
    std::size_t place = lower_bound(object.id());
    EBPF_ASSERT(place < entries_.size() && entries_[place].object == &object);
    for (; place + 1 < entries_.size(); ++place) entries_[place] = entries_[place + 1];
    static_cast<void>(entries_.resize(entries_.size() - 1));
}

Object* Registry::find(std::uint32_t id) const noexcept {
    const std::size_t place = lower_bound(id);
    return place < entries_.size() && entries_[place].object->id() == id ? entries_[place].object : nullptr;
}

Object* Registry::next(std::uint32_t after) const noexcept {
    if (after >= max_id_) return nullptr;
    const std::size_t place = lower_bound(after + 1);
    return place < entries_.size() ? entries_[place].object : nullptr;
}

}  // namespace ebpf::runtime
