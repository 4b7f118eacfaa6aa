// SPDX-License-Identifier: MIT
#include "verifier/observe.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>

#include "check/entail.hpp"
#include "verifier/describe.hpp"
#include "verifier/record.hpp"

namespace ebpf::verifier {

using check::Kind;
using check::State;
using check::Value;

Status record(Invariants& invariants, std::uint32_t slot, const State& state) {
    std::vector<State>& states = invariants.slots[slot];
    State fresh;
    if (!fresh.copy_from(state) || !fresh.normalise()) return Status::OutOfMemory;
    for (const State& known : states) {
        if (known.frames.size() == fresh.frames.size() && check::entails(fresh, known)) return Status::Ok;
    }
    if (states.size() < kMaxRecorded) {
        states.push_back(std::move(fresh));
        return Status::Ok;
    }
    for (State& known : states) {  // states of one chain of calls can be joined
        const auto same_chain = [&] {
            if (known.frames.size() != fresh.frames.size()) return false;
            for (std::size_t i = 0; i < known.frames.size(); ++i) {
                if (known.frames[i].return_slot != fresh.frames[i].return_slot) return false;
            }
            return true;
        };
        if (!same_chain()) continue;
        State joined;
        const Status status = check::join(known, fresh, joined);
        if (status != Status::Ok) return status;
        known = std::move(joined);
        return known.normalise() ? Status::Ok : Status::OutOfMemory;
    }
    states.push_back(std::move(fresh));
    return Status::Ok;
}

namespace {

/// Compares one recorded state with one of a run. The first difference is kept as text.
class Comparison {
  public:
    Comparison(const State& known, const ConcreteState& run) : known_(known), run_(run) {}

    bool holds() {
        if (known_.frames.size() != run_.frames.size()) {
            return fail(fmt::format("{} functions are active, {} were known", run_.frames.size(),
                                    known_.frames.size()));
        }
        for (std::size_t reg = 0; reg < known_.registers.size(); ++reg) {
            if (!value_holds(known_.registers[reg], run_.registers[reg])) {
                return fail(fmt::format("r{} is {:#x}, known was {}", reg, run_.registers[reg],
                                        describe_value(known_.registers[reg], nullptr)));
            }
        }
        for (std::size_t i = 0; i < known_.frames.size(); ++i) {
            if (!stack_holds(known_.frames[i], run_.frames[i], i)) return false;
        }
        return facts_hold();
    }

    [[nodiscard]] const std::string& why() const { return why_; }

  private:
    struct Binding {
        std::uint32_t id;
        std::uint64_t number;
    };

    bool fail(std::string why) {
        why_ = std::move(why);
        return false;
    }

    /// Values that one id ties together must agree on `number`.
    bool bind(std::uint32_t id, std::uint64_t number) {
        if (id == 0) return true;
        for (const Binding& binding : bindings_) {
            if (binding.id == id) return binding.number == number;
        }
        bindings_.push_back({id, number});
        return true;
    }

    bool offset_holds(const Value& value, std::uint64_t address, std::uint64_t base) {
        const std::uint64_t number = address - base - static_cast<std::uint64_t>(value.offset);
        return value.number.contains(number) && bind(value.id, number);
    }

    bool map_value_holds(const Value& value, std::uint64_t address) const {
        bool is_checked = false;
        for (const ConcreteMap& map : run_.maps) {
            if (map.map != value.map || map.count == 0) continue;
            is_checked = true;
            // Which element is meant is not known: the number must fit one of those near the address.
            const std::uint64_t at = address - map.address - static_cast<std::uint64_t>(value.offset);
            if (map.stride == 0 || map.count == 1) {
                if (value.number.contains(at)) return true;
                continue;
            }
            for (std::uint64_t i = 0; i < map.count; ++i) {
                if (value.number.contains(at - i * map.stride)) return true;
            }
        }
        return !is_checked;
    }

    bool map_holds(const Value& value, std::uint64_t handle) const {
        for (const ConcreteMap& map : run_.maps) {
            if (map.map == value.map && map.handle != 0) return map.handle == handle;
        }
        return true;
    }

    bool value_holds(const Value& value, std::uint64_t number) {
        switch (value.kind) {
            case Kind::Unusable:
                return true;
            case Kind::Scalar:
                return value.number.contains(number) && bind(value.id, number);
            case Kind::Context:
                return offset_holds(value, number, run_.context);
            case Kind::Stack:
                return value.frame < run_.frames.size() &&
                       offset_holds(value, number, run_.frames[value.frame].top);
            case Kind::Packet:
                return offset_holds(value, number, run_.packet_start);
            case Kind::PacketMeta:
                return offset_holds(value, number, run_.packet_meta);
            case Kind::PacketEnd:
                return number == run_.packet_end;
            case Kind::Map:
                return map_holds(value, number);
            case Kind::MapValue:
                return number != 0 && map_value_holds(value, number);
            case Kind::MapValueOrNull:
                return bind(value.id, number == 0 ? 0 : 1) && (number == 0 || map_value_holds(value, number));
            case Kind::Memory:
                return offset_holds(value, number, run_.memory);
            case Kind::MapKey:  // where keys and records lie is the map's own
            case Kind::Record:
                return number != 0;
            case Kind::RecordOrNull:
                return bind(value.id, number == 0 ? 0 : 1);
            case Kind::Code:  // what engines make of it is their own, but the low half is the function's slot
                return number != 0 && static_cast<std::uint32_t>(number) == value.map;
        }
        return false;
    }

    bool stack_holds(const check::Frame& frame, const ConcreteFrame& run, std::size_t index) {
        if (run.stack.size() != spec::kStackBytes)
            return run.stack.empty() || fail("the frame's stack has another size");
        for (const check::StackCell& cell : frame.cells) {
            std::uint64_t number = 0;
            std::memcpy(&number, run.stack.data() + cell.first, cell.size);
            if (value_holds(cell.value, number)) continue;
            return fail(fmt::format("stack of frame {} at {} holds {:#x}, known was {}", index,
                                    std::int64_t{cell.first} - spec::kStackBytes, number,
                                    describe_value(cell.value, nullptr)));
        }
        return true;
    }

    bool facts_hold() {
        for (const check::PacketFact& fact : known_.facts) {
            std::uint64_t number = 0;
            bool is_bound = fact.id == 0;
            for (const Binding& binding : bindings_) {
                if (fact.id == 0 || binding.id != fact.id) continue;
                number = binding.number;
                is_bound = true;
            }
            if (!is_bound) continue;
            const bool is_packet = fact.kind == Kind::Packet;
            const std::uint64_t base = is_packet ? run_.packet_start : run_.packet_meta;
            const std::uint64_t limit = is_packet ? run_.packet_end : run_.packet_start;
            const auto room = static_cast<std::int64_t>(limit - base - number);
            if (room >= fact.bytes) continue;
            return fail(fmt::format("{} bytes lie before the limit, {} were proven", room, fact.bytes));
        }
        return true;
    }

    const State& known_;
    const ConcreteState& run_;
    std::vector<Binding> bindings_;
    std::string why_;
};

}  // namespace

bool admits(const Invariants& invariants, std::uint32_t slot, const ConcreteState& state, std::string* why) {
    if (slot >= invariants.slots.size() || invariants.slots[slot].empty()) {
        if (why != nullptr) *why = fmt::format("instruction {} was not reachable for the verifier", slot);
        return false;
    }
    std::string reason;
    for (const State& known : invariants.slots[slot]) {
        Comparison comparison(known, state);
        if (comparison.holds()) return true;
        reason = fmt::format("instruction {}: {}", slot, comparison.why());
    }
    if (why != nullptr) *why = std::move(reason);
    return false;
}

std::vector<std::string> describe(const Invariants& invariants, std::uint32_t slot) {
    std::vector<std::string> lines;
    if (slot >= invariants.slots.size()) return lines;
    for (const State& known : invariants.slots[slot]) lines.push_back(describe_state(known, nullptr));
    return lines;
}

}  // namespace ebpf::verifier
