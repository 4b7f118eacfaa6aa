// SPDX-License-Identifier: MIT
#include "runtime/pins.hpp"

#include <cstring>

#include "base/allocate.hpp"

namespace ebpf::runtime {

std::string_view pin_text(const char* path) noexcept {
    for (std::size_t i = 0; i < kMaxPinBytes; ++i) {
        if (path[i] == '\0') return {path, i};
    }
    return {};
}

std::size_t PinTable::lower_bound(std::string_view path) const noexcept {
    std::size_t first = 0;
    std::size_t count = pins_.size();
    while (count > 0) {
        const std::size_t half = count / 2;
        // string_view compares as unsigned bytes: char_traits<char>::lt is defined so.
        if (pins_[first + half].path() < path) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

Status PinTable::add(std::string_view path, Object& object) noexcept {
    const std::size_t place = lower_bound(path);
    if (place < pins_.size() && pins_[place].path() == path) return Status::AlreadyExists;
    auto* text = static_cast<char*>(allocate(path.size(), 1));
    if (text == nullptr) return Status::OutOfMemory;
    if (!pins_.push_back({})) {
        release(text, path.size(), 1);
        return Status::OutOfMemory;
    }
    std::memcpy(text, path.data(), path.size());
    for (std::size_t i = pins_.size() - 1; i > place; --i) pins_[i] = pins_[i - 1];
    object.acquire();
    object.pins_.fetch_add(1, std::memory_order_relaxed);
    pins_[place] = {text, path.size(), &object};
    return Status::Ok;
}

Ref<Object> PinTable::remove_at(std::size_t place) noexcept {
    const Pin pin = pins_[place];
    for (; place + 1 < pins_.size(); ++place) pins_[place] = pins_[place + 1];
    static_cast<void>(pins_.resize(pins_.size() - 1));
    release(pin.text, pin.bytes, 1);
    pin.object->pins_.fetch_sub(1, std::memory_order_relaxed);
    return Ref<Object>::adopt(pin.object);
}

Ref<Object> PinTable::remove(std::string_view path) noexcept {
    const std::size_t place = lower_bound(path);
    if (place == pins_.size() || pins_[place].path() != path) return {};
    return remove_at(place);
}

Ref<Object> PinTable::remove_first() noexcept {
    return pins_.empty() ? Ref<Object>{} : remove_at(0);
}

const PinTable::Pin* PinTable::find(std::string_view path) const noexcept {
    const std::size_t place = lower_bound(path);
    return place < pins_.size() && pins_[place].path() == path ? &pins_[place] : nullptr;
}

const PinTable::Pin* PinTable::next(std::string_view after) const noexcept {
    std::size_t place = lower_bound(after);
    if (place < pins_.size() && pins_[place].path() == after) ++place;
    return place < pins_.size() ? &pins_[place] : nullptr;
}

}  // namespace ebpf::runtime
