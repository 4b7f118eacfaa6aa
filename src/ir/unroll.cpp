// SPDX-License-Identifier: MIT
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ir/graph.hpp"
#include "ir/loops.hpp"
#include "ir/normalise.hpp"
#include "ir/simplify.hpp"
#include "isa/opposite.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {
namespace {

using spec::JumpOp;
using spec::Width;

constexpr unsigned kMostRounds = 32;        ///< of a loop that becomes straight code
constexpr std::size_t kMostStraight = 384;  ///< nodes of that code
constexpr std::size_t kMostBody = 40;       ///< nodes of a loop that does several rounds at once
constexpr std::size_t kFunctionNodes = 30000;

/// A loop of one block, and the empty one that leads back.
struct Shape {
    BlockId header = kNone;
    BlockId latch = kNone;
    BlockId entry = kNone;  ///< the block before it
    BlockId exit = kNone;
    std::size_t back_side = 0;  ///< position of the latch among the header's predecessors
    std::size_t entry_side = 0;
    bool continues_if_true = false;
};

/// How a loop counts: it goes on while `condition` holds of (counter + step, bound).
struct Count {
    NodeId counter = kNone;  ///< phi
    NodeId bound = kNone;
    std::int64_t step = 0;
    JumpOp condition = JumpOp::Ne;
    Width width = Width::W64;
};

class Unroller {
  public:
    explicit Unroller(Function& function)
        : function_(function), graph_(function), replacements_(function.nodes.size()) {}

    void run() {
        for (const Loop& loop : graph_.loops()) {
            if (function_.nodes.size() > kFunctionNodes) break;
            const auto shape = shape_of(loop);
            if (!shape) continue;
            const auto count = count_of(*shape);
            if (count) unroll(*shape, *count);
        }
        if (is_changed_) normalise(function_, replacements_);
    }

  private:
    [[nodiscard]] std::optional<Shape> shape_of(const Loop& loop) const {
        if (loop.end != loop.header + 2) return {};
        Shape shape;
        shape.header = loop.header;
        shape.latch = loop.header + 1;
        const Block& header = function_.blocks[shape.header];
        if (header.successors[1] == kNone || header.predecessors.size() != 2) return {};
        if (function_.blocks[shape.latch].nodes.size() != 1) return {};
        shape.continues_if_true = header.successors[0] == shape.latch;
        if (header.successors[shape.continues_if_true ? 0 : 1] != shape.latch) return {};
        shape.exit = header.successors[shape.continues_if_true ? 1 : 0];
        shape.back_side = header.predecessors[0] == shape.latch ? 0 : 1;
        shape.entry_side = 1 - shape.back_side;
        shape.entry = header.predecessors[shape.entry_side];
        if (header.predecessors[shape.back_side] != shape.latch ||
            function_.blocks[shape.entry].successors[1] != kNone)
            return {};
        for (const NodeId id : header.nodes) {
            const Opcode opcode = function_.nodes[id].opcode;
            if (opcode == Opcode::CallHelper || opcode == Opcode::CallLocal || opcode == Opcode::TailCall)
                return {};
        }
        return shape;
    }

    [[nodiscard]] bool is_inside(const Shape& shape, NodeId id) const {
        return function_.nodes[id].block == shape.header;
    }

    [[nodiscard]] std::optional<Count> count_of(const Shape& shape) const {
        const Node& branch = function_.nodes[function_.blocks[shape.header].nodes.back()];
        Count count{kNone, function_.input(branch, 1), 0, branch.condition, branch.width};
        NodeId next = function_.input(branch, 0);
        if (!is_inside(shape, next)) {
            std::swap(next, count.bound);
            count.condition = isa::exchanged(count.condition);
        }
        if (!is_inside(shape, next) || is_inside(shape, count.bound) || count.condition == JumpOp::Set)
            return {};
        if (!shape.continues_if_true) count.condition = isa::opposite(count.condition);
        return find_step(shape, next, count) ? std::optional(count) : std::nullopt;
    }

    /// Finds the phi and the constant whose sum `next` is; the sum must be exact at the width of the
    /// comparison.
    bool find_step(const Shape& shape, NodeId next, Count& count) const {
        const Node& sum = function_.nodes[next];
        if (sum.opcode != Opcode::Add || !function_.is_constant(function_.input(sum, 1))) return false;
        if (sum.width == Width::W32 && count.width == Width::W64) return false;
        count.counter = function_.input(sum, 0);
        const Node& phi = function_.nodes[count.counter];
        if (phi.opcode != Opcode::Phi || phi.block != shape.header) return false;
        if (function_.inputs[phi.first_input + shape.back_side] != next) return false;
        const std::uint64_t step = function_.constant(function_.input(sum, 1));
        count.step = count.width == Width::W32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(step))
                                               : static_cast<std::int64_t>(step);
        constexpr std::int64_t kMostStep = 4096;
        return count.step != 0 && count.step >= -kMostStep && count.step <= kMostStep;
    }

    void unroll(const Shape& shape, const Count& count) {
        const std::size_t body = body_of(shape).size();
        const auto rounds = rounds_of(shape, count);
        if (rounds && *rounds <= kMostRounds && *rounds * body <= kMostStraight) {
            straighten(shape, *rounds);
        } else if (body <= kMostBody && !(rounds && *rounds < 8)) {
            repeat(shape, count, body <= 10 ? 8 : 4);
        }
    }

    /// Nodes of one round: all but phis and the branch.
    [[nodiscard]] std::vector<NodeId> body_of(const Shape& shape) const {
        std::vector<NodeId> body;
        for (const NodeId id : function_.blocks[shape.header].nodes) {
            const Node& node = function_.nodes[id];
            if (node.opcode != Opcode::Phi && !is_terminator(node)) body.push_back(id);
        }
        return body;
    }

    [[nodiscard]] std::optional<unsigned> rounds_of(const Shape& shape, const Count& count) const {
        const NodeId start = function_.inputs[function_.nodes[count.counter].first_input + shape.entry_side];
        if (!function_.is_constant(start) || !function_.is_constant(count.bound)) return {};
        std::uint64_t at = function_.constant(start);
        for (unsigned rounds = 1; rounds <= 4 * kMostRounds; ++rounds) {
            const std::uint64_t next = at + static_cast<std::uint64_t>(count.step);
            if (!isa::eval_jump(count.condition, count.width, next, function_.constant(count.bound)))
                return rounds;
            at = next;
        }
        return {};
    }

    // ---- copies of the body

    /// What the header's values are in the round that is being copied.
    class Round {
      public:
        Round(Function& function, const Shape& shape) : function_(function), shape_(shape) {
            value_.assign(function.nodes.size(), kNone);
            for (const NodeId id : function.blocks[shape.header].nodes) {
                if (function.nodes[id].opcode == Opcode::Phi) phis_.push_back(id);
            }
        }
        [[nodiscard]] const std::vector<NodeId>& phis() const { return phis_; }
        void set(NodeId id, NodeId value) { value_[id] = value; }
        [[nodiscard]] NodeId get(NodeId id) const {
            return id < value_.size() && value_[id] != kNone ? value_[id] : id;
        }
        void copy_body(const std::vector<NodeId>& body, BlockId into) {
            for (const NodeId id : body) {
                Node node = function_.nodes[id];
                std::vector<NodeId> inputs;
                for (const NodeId input : function_.inputs_of(node)) inputs.push_back(get(input));
                node.block = into;
                const NodeId copy = function_.add(node, inputs);
                function_.blocks[into].nodes.push_back(copy);
                set(id, copy);
            }
        }
        /// Phis take what this round computed for them, all at once.
        void advance() {
            std::vector<NodeId> next;
            for (const NodeId phi : phis_)
                next.push_back(get(function_.inputs[function_.nodes[phi].first_input + shape_.back_side]));
            for (std::size_t i = 0; i < phis_.size(); ++i) set(phis_[i], next[i]);
        }

      private:
        Function& function_;
        const Shape& shape_;
        std::vector<NodeId> value_;
        std::vector<NodeId> phis_;
    };

    BlockId new_block() {
        function_.blocks.emplace_back();
        return static_cast<BlockId>(function_.blocks.size() - 1);
    }

    void end_with_jump(BlockId from, BlockId to, std::uint32_t slot) {
        function_.blocks[from].nodes.push_back(
            function_.add({.opcode = Opcode::Jump, .block = from, .slot = slot}, {}));
        function_.blocks[from].successors[0] = to;
    }

    void straighten(const Shape& shape, unsigned rounds) {
        const std::vector<NodeId> body = body_of(shape);
        const std::uint32_t slot = function_.nodes[function_.blocks[shape.header].nodes.back()].slot;
        const BlockId block = new_block();
        Round round(function_, shape);
        for (const NodeId phi : round.phis())
            round.set(phi, function_.inputs[function_.nodes[phi].first_input + shape.entry_side]);
        for (unsigned i = 0; i < rounds; ++i) {
            if (i != 0) round.advance();
            round.copy_body(body, block);
        }
        for (const NodeId phi : round.phis()) replacements_.replace(phi, round.get(phi));
        for (const NodeId id : body) replacements_.replace(id, round.get(id));
        end_with_jump(block, shape.exit, slot);
        function_.blocks[block].predecessors.push_back(shape.entry);
        function_.blocks[shape.entry].successors[0] = block;
        std::ranges::replace(function_.blocks[shape.exit].predecessors, shape.header, block);
        is_changed_ = true;
    }

    NodeId append(BlockId block, Node node, std::initializer_list<NodeId> inputs) {
        node.block = block;
        const NodeId id = function_.add(node, inputs);
        function_.blocks[block].nodes.push_back(id);
        return id;
    }

    /// Whether the counter can be followed for several rounds with one comparison.
    static bool can_guard(const Count& count) {
        const bool is_up = count.step > 0;
        switch (count.condition) {
            case JumpOp::Ne:
                return true;
            case JumpOp::Lt:
            case JumpOp::Le:
            case JumpOp::SLt:
            case JumpOp::SLe:
                return is_up;
            case JumpOp::Gt:
            case JumpOp::Ge:
            case JumpOp::SGt:
            case JumpOp::SGe:
                return !is_up;
            case JumpOp::Eq:
            case JumpOp::Set:
                break;
        }
        return false;
    }

    /// entry -> guard -> several rounds -> guard ...; guard -> the loop as it was, for the rounds that are
    /// left. At least one is always left, as the loop tests at its end.
    void repeat(const Shape& shape, const Count& count, unsigned factor) {
        if (!can_guard(count)) return;
        const std::vector<NodeId> body = body_of(shape);
        const std::uint32_t slot = function_.nodes[function_.blocks[shape.header].nodes.back()].slot;
        const BlockId guard = new_block();
        const BlockId rounds = new_block();
        Round round(function_, shape);
        std::vector<NodeId> guard_phis;
        for (const NodeId phi : round.phis()) {
            const NodeId start = function_.inputs[function_.nodes[phi].first_input + shape.entry_side];
            const NodeId copy =
                function_.add({.opcode = Opcode::Phi, .block = guard, .slot = slot}, {start, kNone});
            function_.blocks[guard].nodes.push_back(copy);
            guard_phis.push_back(copy);
            round.set(phi, copy);
        }
        append_guard(guard, count, round.get(count.counter), factor, slot);
        for (unsigned i = 0; i < factor; ++i) {
            round.copy_body(body, rounds);
            round.advance();
        }
        for (std::size_t i = 0; i < guard_phis.size(); ++i) {
            const NodeId phi = round.phis()[i];
            function_.inputs[function_.nodes[guard_phis[i]].first_input + 1] = round.get(phi);
            function_.inputs[function_.nodes[phi].first_input + shape.entry_side] = guard_phis[i];
        }
        end_with_jump(rounds, guard, slot);
        function_.blocks[guard].predecessors = {shape.entry, rounds};
        function_.blocks[guard].successors[0] = rounds;
        function_.blocks[guard].successors[1] = shape.header;
        function_.blocks[rounds].predecessors = {guard};
        function_.blocks[shape.entry].successors[0] = guard;
        function_.blocks[shape.header].predecessors[shape.entry_side] = guard;
        is_changed_ = true;
    }

    /// Branches to the rounds if the counter is more than factor steps away from the bound: then no test in
    /// between could fail, and at least one round is left after them.
    void append_guard(BlockId guard, const Count& count, NodeId counter, unsigned factor,
                      std::uint32_t slot) {
        const bool is_up = count.step > 0;
        const NodeId high = is_up ? count.bound : counter;
        const NodeId low = is_up ? counter : count.bound;
        NodeId distance =
            append(guard, {.opcode = Opcode::Sub, .width = count.width, .slot = slot}, {high, low});
        if (count.condition != JumpOp::Ne) {
            // A counter that has passed the bound already is no distance away.
            const bool is_signed = count.condition == JumpOp::SLt || count.condition == JumpOp::SLe ||
                                   count.condition == JumpOp::SGt || count.condition == JumpOp::SGe;
            const NodeId none = append(guard, {.opcode = Opcode::Constant, .slot = slot}, {});
            const Node select{.opcode = Opcode::Select,
                              .width = count.width,
                              .condition = is_signed ? JumpOp::SLt : JumpOp::Lt,
                              .slot = slot};
            distance = append(guard, select, {low, high, distance, none});
        }
        const std::int64_t steps = std::int64_t{factor} * (is_up ? count.step : -count.step);
        const NodeId needed = append(guard, {.opcode = Opcode::Constant, .slot = slot, .imm = steps}, {});
        append(guard, {.opcode = Opcode::Branch, .width = count.width, .condition = JumpOp::Gt, .slot = slot},
               {distance, needed});
    }

    Function& function_;
    Graph graph_;
    Replacements replacements_;
    bool is_changed_ = false;
};

}  // namespace

void unroll_loops(Function& function) {
    Unroller(function).run();
}

}  // namespace ebpf::ir
