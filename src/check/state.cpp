// SPDX-License-Identifier: MIT
#include "check/state.hpp"

#include <utility>

#include "base/assert.hpp"

namespace ebpf::check {
namespace {

bool overlaps(const StackCell& cell, std::uint32_t first, std::uint32_t size) {
    return cell.first < first + size && first < std::uint32_t{cell.first} + cell.size;
}

bool is_covered(const StackCell& cell, std::uint32_t first, std::uint32_t size) {
    return first <= cell.first && std::uint32_t{cell.first} + cell.size <= first + size;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash ^= value;
    hash *= 0x9e3779b97f4a7c15U;
    return hash ^ (hash >> 32U);
}

std::uint64_t mix(std::uint64_t hash, const Value& value) {
    hash = mix(hash, static_cast<std::uint64_t>(value.kind) | (std::uint64_t{value.frame} << 8U) |
                         (std::uint64_t{value.map} << 32U));
    if (value.kind == Kind::Unusable) return hash;
    hash = mix(hash, value.id);
    hash = mix(hash, static_cast<std::uint64_t>(value.offset));
    return mix(hash, value.number.hash());
}

}  // namespace

OffsetSpan offset_span(const Value& pointer) {
    const std::int64_t low = pointer.number.smin();
    const std::int64_t high = pointer.number.smax();
    if (low <= -kMaxOffset || high >= kMaxOffset) return {};
    return {pointer.offset + low, pointer.offset + high, true};
}

bool Frame::is_written(std::uint32_t first, std::uint32_t size) const noexcept {
    for (std::uint32_t at = first; at < first + size; ++at) {
        if ((written[at / 64] >> (at % 64) & 1U) == 0) return false;
    }
    return true;
}

std::uint32_t Frame::first_unwritten(std::uint32_t first, std::uint32_t size) const noexcept {
    for (std::uint32_t at = first; at < first + size; ++at) {
        if ((written[at / 64] >> (at % 64) & 1U) == 0) return at;
    }
    return first + size;
}

void Frame::set_written(std::uint32_t first, std::uint32_t size, bool is_written) noexcept {
    for (std::uint32_t at = first; at < first + size; ++at) {
        const std::uint64_t bit = std::uint64_t{1} << (at % 64);
        if (is_written) {
            written[at / 64] |= bit;
        } else {
            written[at / 64] &= ~bit;
        }
    }
}

void Frame::forget(std::uint32_t first, std::uint32_t size, bool is_certain) noexcept {
    for (std::size_t i = cells.size(); i > 0; --i) {
        const StackCell& cell = cells[i - 1];
        if (!overlaps(cell, first, size)) continue;
        const bool may_stay = is_pointer(cell.value) && !(is_certain && is_covered(cell, first, size));
        erase(i - 1, !may_stay);
    }
}

bool Frame::insert(const StackCell& cell) noexcept {
    if (!cells.push_back(cell)) return false;
    for (std::size_t i = cells.size() - 1; i > 0 && cells[i - 1].first > cells[i].first; --i) {
        const StackCell other = cells[i - 1];
        cells[i - 1] = cells[i];
        cells[i] = other;
    }
    return true;
}

void Frame::erase(std::size_t index, bool keep_written) noexcept {
    if (!keep_written) set_written(cells[index].first, cells[index].size, false);
    for (std::size_t i = index; i + 1 < cells.size(); ++i) cells[i] = cells[i + 1];
    const bool shrunk = cells.resize(cells.size() - 1);  // never allocates
    EBPF_ASSERT(shrunk);
}

const StackCell* Frame::find(std::uint32_t at) const noexcept {
    std::size_t begin = 0;  // cells before it end at or before `at`
    std::size_t end = cells.size();
    while (begin < end) {
        const std::size_t middle = begin + (end - begin) / 2;
        if (std::uint32_t{cells[middle].first} + cells[middle].size <= at) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin < cells.size() && cells[begin].first <= at ? &cells[begin] : nullptr;
}

bool Frame::cuts_pointer(std::uint32_t first, std::uint32_t size) const noexcept {
    for (const StackCell& cell : cells) {
        if (is_pointer(cell.value) && overlaps(cell, first, size) &&
            (cell.first != first || cell.size != size)) {
            return true;
        }
    }
    return false;
}

bool Frame::holds_pointer(std::uint32_t first, std::uint32_t size) const noexcept {
    for (const StackCell& cell : cells) {
        if (is_pointer(cell.value) && overlaps(cell, first, size)) return true;
    }
    return false;
}

bool Frame::copy_from(const Frame& other) noexcept {
    function_slot = other.function_slot;
    return_slot = other.return_slot;
    is_callback = other.is_callback;
    saved = other.saved;
    written = other.written;
    cells.clear();
    if (!cells.reserve(other.cells.size())) return false;
    for (const StackCell& cell : other.cells) {
        if (!cells.push_back(cell)) return false;
    }
    return true;
}

std::optional<std::int64_t> State::proven_bytes(Kind kind, std::uint32_t id) const noexcept {
    for (const PacketFact& fact : facts) {
        if (fact.kind == kind && fact.id == id) return fact.bytes;
    }
    if (id == 0) return 0;
    return std::nullopt;
}

std::int64_t State::proven_bytes(Kind kind) const noexcept {
    return proven_bytes(kind, 0).value_or(0);
}

bool State::prove_bytes(Kind kind, std::uint32_t id, std::int64_t bytes) noexcept {
    if (id == 0 && bytes <= 0) return true;
    for (PacketFact& fact : facts) {
        if (fact.kind != kind || fact.id != id) continue;
        if (fact.bytes < bytes) fact.bytes = bytes;
        return true;
    }
    return facts.push_back({kind, id, bytes});
}

namespace {

/// Makes the values unusable of which `is_dropped` is true.
void drop_values(State& state, auto&& is_dropped) {
    const auto drop = [&](Value& value) {
        if (is_dropped(value)) value = Value{};
    };
    for (Value& value : state.registers) drop(value);
    for (Frame& frame : state.frames) {
        for (Value& value : frame.saved) drop(value);
        for (std::size_t i = frame.cells.size(); i > 0; --i) {
            if (is_dropped(frame.cells[i - 1].value)) frame.erase(i - 1, false);
        }
    }
}

}  // namespace

void State::drop_packet() noexcept {
    drop_values(*this, [](const Value& value) { return is_packet(value) || value.kind == Kind::PacketEnd; });
    facts.clear();
}

void State::release(std::uint32_t id, bool is_null) noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < references.size(); ++i) {
        if (references[i].id != id) references[kept++] = references[i];
    }
    const bool shrunk = references.resize(kept);  // never allocates
    EBPF_ASSERT(shrunk);
    if (is_null) return;
    drop_values(*this, [id](const Value& value) { return holds_reference(value) && value.id == id; });
}

const Reference* State::held_since(std::uint32_t depth) const noexcept {
    for (const Reference& reference : references) {
        if (reference.depth >= depth) return &reference;
    }
    return nullptr;
}

namespace {

void sort_by_id(FallibleVector<Reference>& references) {
    for (std::size_t i = 1; i < references.size(); ++i) {
        for (std::size_t at = i; at > 0 && references[at - 1].id > references[at].id; --at)
            std::swap(references[at - 1], references[at]);
    }
}

}  // namespace

bool State::normalise() noexcept {
    struct Use {
        std::uint32_t count = 0;
        std::uint32_t fresh = 0;  ///< the id from now on
        bool is_number = false;
    };
    FallibleVector<Use> uses;  // by id
    std::uint32_t last_id = 0;
    for_each([&](const Value& value) { last_id = value.id > last_id ? value.id : last_id; });
    for (const Reference& reference : references) last_id = reference.id > last_id ? reference.id : last_id;
    if (!uses.resize(std::size_t{last_id} + 1)) return false;
    for_each([&](const Value& value) {
        if (value.id == 0) return;
        Use& use = uses[value.id];
        ++use.count;
        use.is_number = value.kind == Kind::Scalar;
    });
    // A scalar that is alone with its id is tied to nothing. Pointers keep theirs: it also stands for facts,
    // or says that `number` is not 0, or that the pointer may be null.
    std::uint32_t next = 1;
    for_each([&](Value& value) {
        if (value.id == 0) return;
        Use& use = uses[value.id];
        const bool is_lonely_number = use.is_number && use.count == 1;
        if (use.fresh == 0 && !is_lonely_number) use.fresh = next++;
        value.id = use.fresh;
    });
    for (Reference& reference : references) {
        Use& use = uses[reference.id];
        if (use.fresh == 0) use.fresh = next++;  // no value points to it any more
        reference.id = use.fresh;
    }
    sort_by_id(references);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        PacketFact fact = facts[i];
        if (fact.id != 0) {
            if (fact.id > last_id || uses[fact.id].count == 0)
                continue;  // no pointer is left that it speaks of
            fact.id = uses[fact.id].fresh;
        }
        // In order of kind and id.
        std::size_t at = kept++;
        for (; at > 0 && (facts[at - 1].kind > fact.kind ||
                          (facts[at - 1].kind == fact.kind && facts[at - 1].id > fact.id));
             --at) {
            facts[at] = facts[at - 1];
        }
        facts[at] = fact;
    }
    next_id = next;
    return facts.resize(kept);
}

bool State::copy_from(const State& other) noexcept {
    registers = other.registers;
    next_id = other.next_id;
    facts.clear();
    references.clear();
    if (!facts.reserve(other.facts.size()) || !references.reserve(other.references.size()) ||
        !frames.resize(other.frames.size()))
        return false;
    for (const Reference& reference : other.references) {
        if (!references.push_back(reference)) return false;
    }
    for (const PacketFact& fact : other.facts) {
        if (!facts.push_back(fact)) return false;
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
        if (!frames[i].copy_from(other.frames[i])) return false;
    }
    return true;
}

std::size_t State::memory_bytes() const noexcept {
    std::size_t bytes =
        sizeof(State) + facts.size() * sizeof(PacketFact) + references.size() * sizeof(Reference);
    for (const Frame& frame : frames) bytes += sizeof(Frame) + frame.cells.size() * sizeof(StackCell);
    return bytes;
}

std::uint64_t State::hash() const noexcept {
    std::uint64_t hash = frames.size();
    for (const Value& value : registers) hash = mix(hash, value);
    for (const Frame& frame : frames) {
        for (const Value& value : frame.saved) hash = mix(hash, value);
        for (const std::uint64_t bits : frame.written) hash = mix(hash, bits);
        for (const StackCell& cell : frame.cells) {
            hash = mix(hash, (std::uint64_t{cell.first} << 8U) | cell.size);
            hash = mix(hash, cell.value);
        }
    }
    for (const PacketFact& fact : facts) {
        hash = mix(hash, (std::uint64_t{fact.id} << 8U) | static_cast<std::uint64_t>(fact.kind));
        hash = mix(hash, static_cast<std::uint64_t>(fact.bytes));
    }
    for (const Reference& reference : references)
        hash = mix(hash, reference.id | (std::uint64_t{reference.slot} << 32U));
    return hash;
}

}  // namespace ebpf::check
