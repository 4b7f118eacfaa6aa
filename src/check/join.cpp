// SPDX-License-Identifier: MIT
#include <optional>

#include "check/entail.hpp"
#include "check/relation.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;

Scalar shifted(const Scalar& number, std::int64_t by) {
    return domains::alu(spec::AluOp::Add, spec::Width::W64, number,
                        Scalar::constant(static_cast<std::uint64_t>(by)));
}

/// Builds the join value by value. A pair of ids that stand together in several places gets one new id, so
/// that a relation survives exactly where both states have it.
class Joiner {
  public:
    Joiner(const State& a, const State& b, State& out, bool widens)
        : a_(a), b_(b), out_(out), widens_(widens) {}

    Status run() {
        if (!out_.copy_from(a_)) return Status::OutOfMemory;
        out_.facts.clear();
        out_.next_id = 1;
        join_references();
        for (std::size_t i = 0; i < out_.registers.size(); ++i) {
            out_.registers[i] = join(a_.registers[i], b_.registers[i]);
        }
        for (std::size_t i = 0; i < out_.frames.size(); ++i)
            join_frame(a_.frames[i], b_.frames[i], out_.frames[i]);
        for (const Kind kind : {Kind::Packet, Kind::PacketMeta}) {
            const auto bytes = bytes_in_both(a_.proven_bytes(kind), b_.proven_bytes(kind));
            if (bytes) is_complete_ = out_.prove_bytes(kind, 0, *bytes) && is_complete_;
        }
        return is_complete_ ? Status::Ok : Status::OutOfMemory;
    }

  private:
    struct Pair {
        Token a;
        Token b;
        std::int64_t shift;
        std::uint32_t id;
    };

    /// Bytes proven in both: fewer than before are none at all where the chain of joins must be short.
    [[nodiscard]] std::optional<std::int64_t> bytes_in_both(std::int64_t a, std::int64_t b) const {
        if (a <= b) return a;
        if (widens_) return std::nullopt;
        return b;
    }

    [[nodiscard]] Scalar both(const Scalar& a, const Scalar& b) const {
        return widens_ ? Scalar::widen(a, a.join(b), {}) : a.join(b);
    }

    std::uint32_t pair_id(Token a, Token b, std::int64_t shift, bool& is_new) {
        is_new = false;
        if (a.type == Token::Type::None || b.type == Token::Type::None) return 0;
        for (const Pair& pair : pairs_) {
            if (pair.a == a && pair.b == b && pair.shift == shift) return pair.id;
        }
        is_new = true;
        const std::uint32_t id = out_.make_id();
        is_complete_ = pairs_.push_back({a, b, shift, id}) && is_complete_;
        return id;
    }

    /// Each reference of the join is one of a and one of b: values that stand for others are given up.
    void join_references() {
        for (std::size_t i = 0; i < out_.references.size(); ++i) {
            bool is_new = false;
            out_.references[i].id = pair_id({Token::Type::Id, a_.references[i].id},
                                            {Token::Type::Id, b_.references[i].id}, 0, is_new);
        }
    }

    Value join_record(const Value& a, const Value& b) const {
        for (std::size_t i = 0; i < out_.references.size(); ++i) {
            if (a_.references[i].id != a.id || b_.references[i].id != b.id) continue;
            Value out = join_pointer(a, b);
            out.id = out_.references[i].id;
            return out;
        }
        return {};
    }

    Value join(const Value& a, const Value& b) {
        bool is_new = false;
        if (a.kind == Kind::Scalar && b.kind == Kind::Scalar) {
            Value out = make_scalar(both(a.number, b.number));
            if (!out.number.is_constant()) out.id = pair_id(scalar_token(a), scalar_token(b), 0, is_new);
            return out;
        }
        if (a.kind == Kind::MapValueOrNull || b.kind == Kind::MapValueOrNull || is_null(a) || is_null(b)) {
            return join_nullable(a, b);
        }
        if (a.kind != b.kind || a.kind == Kind::Unusable || a.frame != b.frame || a.map != b.map) return {};
        if (holds_reference(a)) return join_record(a, b);
        return is_packet(a) ? join_packet(a, b) : join_pointer(a, b);
    }

    /// null, the start of a map's value, or either: one of them is known to be pointer-or-null or zero.
    Value join_nullable(const Value& a, const Value& b) {
        const std::uint32_t map = is_null(a) ? b.map : a.map;
        const Token token_a = null_token(a, map);
        const Token token_b = null_token(b, map);
        if (token_a.type == Token::Type::None || token_b.type == Token::Type::None) return {};
        Value out = make_pointer(Kind::MapValueOrNull);
        out.map = map;
        bool is_new = false;
        out.id = pair_id(token_a, token_b, 0, is_new);
        return out;
    }

    [[nodiscard]] Value join_pointer(const Value& a, const Value& b) const {
        Value out = a;
        out.number = both(a.number, shifted(b.number, b.offset - a.offset));
        return out;
    }

    /// b's pointer is written with a's offset, its `number` greater by the difference. What is proven behind
    /// base + number shrinks by as much.
    Value join_packet(const Value& a, const Value& b) {
        const std::int64_t shift = b.offset - a.offset;
        if (a.id == 0 && b.id == 0 && shift == 0) return a;
        Value out = a;
        out.number = both(a.number, shifted(b.number, shift));
        bool is_new = false;
        out.id = pair_id({Token::Type::Id, a.id}, {Token::Type::Id, b.id}, shift, is_new);
        if (is_new) {
            const std::optional<std::int64_t> bytes_a = a_.proven_bytes(a.kind, a.id);
            const std::optional<std::int64_t> bytes_b = b_.proven_bytes(b.kind, b.id);
            if (!bytes_a || !bytes_b) return out;
            const auto bytes = bytes_in_both(*bytes_a, *bytes_b - shift);
            if (bytes) is_complete_ = out_.prove_bytes(out.kind, out.id, *bytes) && is_complete_;
        }
        return out;
    }

    void join_frame(const Frame& a, const Frame& b, Frame& out) {
        for (std::size_t i = 0; i < out.saved.size(); ++i) out.saved[i] = join(a.saved[i], b.saved[i]);
        for (std::size_t i = 0; i < out.written.size(); ++i) out.written[i] = a.written[i] & b.written[i];
        for (std::size_t i = out.cells.size(); i > 0; --i) {
            StackCell& cell = out.cells[i - 1];
            const StackCell* other = b.find(cell.first);
            const bool is_same = other != nullptr && other->first == cell.first && other->size == cell.size;
            if (is_same) cell.value = join(cell.value, other->value);
            if (is_same && cell.value.kind != Kind::Unusable) continue;
            // Bytes that are an address on one side may not be read as a number.
            out.erase(i - 1, !is_same && !is_pointer(cell.value));
        }
        for (const StackCell& cell : b.cells) {
            if (!is_pointer(cell.value)) continue;
            const StackCell* kept = out.find(cell.first);
            if (kept == nullptr || kept->first != cell.first || kept->size != cell.size) {
                out.set_written(cell.first, cell.size, false);
            }
        }
        drop_unwritten(out);
    }

    static void drop_unwritten(Frame& frame) {
        for (std::size_t i = frame.cells.size(); i > 0; --i) {
            const StackCell& cell = frame.cells[i - 1];
            if (!frame.is_written(cell.first, cell.size)) frame.erase(i - 1, !is_pointer(cell.value));
        }
    }

    const State& a_;
    const State& b_;
    State& out_;
    bool widens_;
    FallibleVector<Pair> pairs_;
    bool is_complete_ = true;
};

std::uint32_t value_distance(const Value& a, const Value& b) {
    if (a.kind == Kind::Unusable && b.kind == Kind::Unusable) return 0;
    if (a.kind != b.kind || a.map != b.map || a.frame != b.frame) {
        const bool may_be_null =
            null_token(a, a.map).type != Token::Type::None && null_token(b, b.map).type != Token::Type::None;
        return may_be_null ? 8 : 64;
    }
    if (a.number == b.number && a.offset == b.offset) return 0;
    return is_pointer(a) ? 4 : 1;
}

}  // namespace

bool are_joinable(const State& a, const State& b) noexcept {
    if (a.references.size() != b.references.size()) return false;
    for (std::size_t i = 0; i < a.references.size(); ++i) {
        if (a.references[i].slot != b.references[i].slot || a.references[i].depth != b.references[i].depth)
            return false;
    }
    return true;
}

Status join(const State& a, const State& b, State& out) noexcept {
    return Joiner(a, b, out, false).run();
}

Status widen(const State& older, const State& newer, State& out) noexcept {
    return Joiner(older, newer, out, true).run();
}

std::uint32_t distance(const State& a, const State& b) noexcept {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < a.registers.size(); ++i)
        sum += value_distance(a.registers[i], b.registers[i]);
    for (std::size_t i = 0; i < a.frames.size() && i < b.frames.size(); ++i) {
        for (std::size_t r = 0; r < a.frames[i].saved.size(); ++r) {
            sum += value_distance(a.frames[i].saved[r], b.frames[i].saved[r]);
        }
        for (const StackCell& cell : a.frames[i].cells) {
            const StackCell* other = b.frames[i].find(cell.first);
            sum += other == nullptr ? 2 : value_distance(cell.value, other->value);
        }
        for (std::size_t w = 0; w < a.frames[i].written.size(); ++w) {
            sum += static_cast<std::uint32_t>(
                __builtin_popcountll(a.frames[i].written[w] ^ b.frames[i].written[w]));
        }
    }
    for (const Kind kind : {Kind::Packet, Kind::PacketMeta}) {
        if (a.proven_bytes(kind) != b.proven_bytes(kind)) sum += 32;
    }
    return sum;
}

}  // namespace ebpf::check
