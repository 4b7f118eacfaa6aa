// SPDX-License-Identifier: MIT
#include "check/entail.hpp"

#include <algorithm>
#include <optional>

#include "check/relation.hpp"

namespace ebpf::check {
namespace {

/// Decides a <= b. Ids of b are bound to what stands in their places in a: a relation that b states must hold
/// in a; relations that only a states make a smaller.
class Comparison {
  public:
    Comparison(const State& a, const State& b) : a_(a), b_(b) {}

    bool holds() {
        if (a_.frames.size() != b_.frames.size() || a_.references.size() != b_.references.size())
            return false;
        for (std::size_t i = 0; i < a_.registers.size(); ++i) {
            if (!value_holds(a_.registers[i], b_.registers[i])) return false;
        }
        for (std::size_t i = 0; i < a_.frames.size(); ++i) {
            if (!frame_holds(a_.frames[i], b_.frames[i])) return false;
        }
        return references_hold() && facts_hold();
    }

  private:
    struct Binding {
        Token token;
        std::int64_t shift = 0;  ///< packet pointers: b's number is a's plus this
    };

    bool bind(std::uint32_t id, Token token, std::int64_t shift = 0) {
        if (token.type == Token::Type::None) return false;
        if (id >= bindings_.size() && !bindings_.resize(std::max(id + 1, b_.next_id))) return false;
        Binding& bound = bindings_[id];
        if (bound.token.type == Token::Type::None) bound = {token, shift};
        return bound.token == token && bound.shift == shift;
    }

    bool value_holds(const Value& a, const Value& b) {
        switch (b.kind) {
            case Kind::Unusable:
                return true;
            case Kind::Scalar:
                return a.kind == Kind::Scalar && a.number.leq(b.number) &&
                       (b.id == 0 || bind(b.id, scalar_token(a)));
            case Kind::MapValueOrNull:
                return bind(b.id, null_token(a, b.map));
            case Kind::Record:
            case Kind::RecordOrNull:
                return pointer_holds(a, b) && bind(b.id, {Token::Type::Id, a.id});
            case Kind::Packet:
            case Kind::PacketMeta:
                if (!pointer_holds(a, b)) return false;
                if (b.id == 0) return a.id == 0 && a.offset == b.offset;
                return bind(b.id, {Token::Type::Id, a.id}, a.offset - b.offset);
            case Kind::Context:
            case Kind::Stack:
            case Kind::PacketEnd:
            case Kind::Map:
            case Kind::MapValue:
            case Kind::Memory:
            case Kind::MapKey:
            case Kind::Code:
                return pointer_holds(a, b);
        }
        return false;
    }

    static bool pointer_holds(const Value& a, const Value& b) {
        if (a.kind != b.kind || a.frame != b.frame || a.map != b.map) return false;
        if (a.offset == b.offset) return a.number.leq(b.number);
        const auto moved = domains::Scalar::constant(static_cast<std::uint64_t>(a.offset - b.offset));
        return domains::alu(spec::AluOp::Add, spec::Width::W64, a.number, moved).leq(b.number);
    }

    bool frame_holds(const Frame& a, const Frame& b) {
        if (a.function_slot != b.function_slot || a.return_slot != b.return_slot ||
            a.is_callback != b.is_callback)
            return false;
        for (std::size_t i = 0; i < a.saved.size(); ++i) {
            if (!value_holds(a.saved[i], b.saved[i])) return false;
        }
        for (std::size_t i = 0; i < a.written.size(); ++i) {
            if ((b.written[i] & ~a.written[i]) != 0) return false;
        }
        for (const StackCell& cell : b.cells) {
            if (!cell_holds(a, cell)) return false;
        }
        return keeps_addresses(a, b);
    }

    bool cell_holds(const Frame& a, const StackCell& cell) {
        const StackCell* found = a.find(cell.first);
        if (found != nullptr && found->first == cell.first && found->size == cell.size) {
            return value_holds(found->value, cell.value);
        }
        // Bytes of which a knows nothing but that they were written are some number of that size.
        return cell.value.kind == Kind::Scalar && cell.value.id == 0 && a.is_written(cell.first, cell.size) &&
               domains::truncate(cell.size, domains::Scalar::unknown()).leq(cell.value.number);
    }

    /// No byte of a pointer in a counts in b as a plain written byte: b may read those as a number.
    static bool keeps_addresses(const Frame& a, const Frame& b) {
        for (const StackCell& cell : a.cells) {
            if (!is_pointer(cell.value)) continue;
            const StackCell* found = b.find(cell.first);
            if (found != nullptr && found->first == cell.first && found->size == cell.size &&
                is_pointer(found->value)) {
                continue;
            }
            for (std::uint32_t at = cell.first; at < std::uint32_t{cell.first} + cell.size; ++at) {
                if (b.is_written(at, 1)) return false;
            }
        }
        return true;
    }

    static const Reference* find(const State& state, std::uint64_t id) {
        for (const Reference& reference : state.references) {
            if (reference.id == id) return &reference;
        }
        return nullptr;
    }

    /// Both hold equally many references (holds() has seen to that), and those that values of b stand for are
    /// different ones of a, held by the same frames. One of b that no value stands for can never be given
    /// back: b is refused later on, whatever it covers.
    bool references_hold() {
        for (std::size_t i = 0; i < b_.references.size(); ++i) {
            const Token token = token_of(b_.references[i].id);
            if (token.type == Token::Type::None) continue;
            const Reference* found = find(a_, token.value);
            if (found == nullptr || found->depth != b_.references[i].depth) return false;
            for (std::size_t other = 0; other < i; ++other) {
                if (token_of(b_.references[other].id) == token) return false;
            }
        }
        return true;
    }

    [[nodiscard]] Token token_of(std::uint32_t id) const {
        return id < bindings_.size() ? bindings_[id].token : Token{};
    }

    bool facts_hold() {
        for (const PacketFact& fact : b_.facts) {
            std::uint32_t id = 0;
            std::int64_t shift = 0;
            if (fact.id != 0) {
                if (fact.id >= bindings_.size() || bindings_[fact.id].token.type == Token::Type::None) {
                    continue;  // no pointer is left that the fact speaks of
                }
                id = static_cast<std::uint32_t>(bindings_[fact.id].token.value);
                shift = bindings_[fact.id].shift;
            }
            const std::optional<std::int64_t> proven = a_.proven_bytes(fact.kind, id);
            if (!proven || *proven - shift < fact.bytes) return false;
        }
        return true;
    }

    const State& a_;
    const State& b_;
    FallibleVector<Binding> bindings_;  ///< by id of b
};

}  // namespace

bool entails(const State& a, const State& b) noexcept {
    return Comparison(a, b).holds();
}

}  // namespace ebpf::check
