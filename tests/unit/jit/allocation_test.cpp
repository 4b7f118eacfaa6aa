// SPDX-License-Identifier: MIT
// The allocator alone, for a made-up target with four registers: random functions are run once on values and
// once on registers and slots, and must compute the same.
#include "jit/allocation.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ebpf::jit {
namespace {

constexpr Register kFirstArgument = 0;
constexpr std::uint32_t kMostSteps = 400;

/// Builds a random function in SSA whose nodes are just "a number from the inputs": a chain of diamonds and
/// loops, and a selection for it with all kinds of operands.
class Maker {
  public:
    explicit Maker(std::uint64_t seed) : random_(seed) {}

    void make() {
        const std::uint32_t shapes = 1 + below(6);
        ir::BlockId block = add_block(0);
        for (std::uint32_t i = 0; i < 4; ++i) add_value(block);
        for (std::uint32_t i = 0; i < shapes; ++i) block = below(2) == 0 ? diamond(block) : loop(block);
        fill(block);
        add_node(block, ir::Opcode::Return, {pick()});
        select();
    }

    ir::Function function;
    Selection selection;

  private:
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
    ir::NodeId pick() { return known_[below(static_cast<std::uint32_t>(known_.size()))]; }

    ir::BlockId add_block(std::uint32_t depth) {
        function.blocks.emplace_back().loop_depth = depth;
        return static_cast<ir::BlockId>(function.blocks.size() - 1);
    }

    ir::NodeId add_node(ir::BlockId block, ir::Opcode opcode, const std::vector<ir::NodeId>& inputs) {
        ir::Node node;
        node.opcode = opcode;
        node.block = block;
        node.first_input = static_cast<std::uint32_t>(function.inputs.size());
        node.input_count = static_cast<std::uint8_t>(opcode == ir::Opcode::Phi ? 0 : inputs.size());
        function.inputs.insert(function.inputs.end(), inputs.begin(), inputs.end());
        function.nodes.push_back(node);
        const auto id = static_cast<ir::NodeId>(function.nodes.size() - 1);
        function.blocks[block].nodes.push_back(id);
        return id;
    }

    void add_value(ir::BlockId block) {
        std::vector<ir::NodeId> inputs;
        if (!known_.empty()) {
            for (std::uint32_t i = below(3); i > 0; --i) inputs.push_back(pick());
        }
        const bool is_constant = inputs.empty() && !known_.empty();
        known_.push_back(add_node(block, is_constant ? ir::Opcode::Constant : ir::Opcode::Add, inputs));
    }

    void fill(ir::BlockId block) {
        for (std::uint32_t i = below(8); i > 0; --i) add_value(block);
    }

    void connect(ir::BlockId from, ir::BlockId to, int which) {
        function.blocks[from].successors[which] = to;
        function.blocks[to].predecessors.push_back(from);
    }

    ir::BlockId diamond(ir::BlockId head) {
        const std::uint32_t depth = function.blocks[head].loop_depth;
        fill(head);
        add_node(head, ir::Opcode::Branch, {pick(), pick()});
        const std::vector<ir::NodeId> before = known_;
        std::vector<ir::NodeId> ends[2];
        ir::BlockId sides[2];
        for (int side = 0; side < 2; ++side) {
            known_ = before;
            sides[side] = add_block(depth);
            connect(head, sides[side], side);
            fill(sides[side]);
            add_node(sides[side], ir::Opcode::Jump, {});
            for (int i = 0; i < 3; ++i) ends[side].push_back(pick());
        }
        const ir::BlockId join = add_block(depth);
        known_ = before;
        for (const ir::BlockId side : sides) connect(side, join, 0);
        for (std::size_t i = 0; i < 3; ++i) {
            known_.push_back(add_node(join, ir::Opcode::Phi, {ends[0][i], ends[1][i]}));
        }
        return join;
    }

    // head -> body -> (latch -> body | exit); phis rotate values to make circles of moves.
    ir::BlockId loop(ir::BlockId head) {
        const std::uint32_t depth = function.blocks[head].loop_depth;
        add_node(head, ir::Opcode::Jump, {});
        const ir::BlockId body = add_block(depth + 1);
        connect(head, body, 0);
        std::vector<ir::NodeId> phis;
        for (int i = 0; i < 3; ++i) phis.push_back(add_node(body, ir::Opcode::Phi, {pick(), 0}));
        known_.insert(known_.end(), phis.begin(), phis.end());
        fill(body);
        add_node(body, ir::Opcode::Branch, {pick(), pick()});
        const ir::BlockId latch = add_block(depth + 1);
        connect(body, latch, 0);
        const std::vector<ir::NodeId> after = known_;
        fill(latch);
        add_node(latch, ir::Opcode::Jump, {});
        connect(latch, body, 0);
        for (std::size_t i = 0; i < phis.size(); ++i) {
            function.inputs[function.nodes[phis[i]].first_input + 1] =
                below(2) == 0 ? phis[(i + 1) % phis.size()] : pick();
        }
        known_ = after;
        const ir::BlockId exit = add_block(depth);
        connect(body, exit, 1);
        return exit;
    }

    void select() {
        selection.value_count = static_cast<std::uint32_t>(function.nodes.size());
        selection.can_remake.assign(selection.value_count, false);
        for (ir::BlockId block = 0; block < function.blocks.size(); ++block) {
            selection.block_begin.push_back(static_cast<std::uint32_t>(selection.instructions.size()));
            for (const ir::NodeId id : function.blocks[block].nodes) select_node(id);
        }
        selection.block_begin.push_back(static_cast<std::uint32_t>(selection.instructions.size()));
    }

    void select_node(ir::NodeId id) {
        const ir::Node& node = function.nodes[id];
        if (node.opcode == ir::Opcode::Phi) return;
        if (node.opcode == ir::Opcode::Constant) {
            selection.can_remake[id] = true;
            return;
        }
        Instruction it;
        it.node = id;
        it.first_operand = static_cast<std::uint32_t>(selection.operands.size());
        const bool is_value = node.opcode == ir::Opcode::Add;
        const bool is_call = is_value && below(5) == 0;
        Register argument = kFirstArgument;
        for (const ir::NodeId input : function.inputs_of(node)) {
            Operand operand{input, below(2) == 0 ? Role::Use : Role::LateUse, Policy::InRegister,
                            kNoRegister};
            if (is_call) {
                operand = {input, Role::Use, Policy::Fixed, argument++};
            } else if (is_value && below(3) == 0) {
                operand.policy = below(2) == 0 ? Policy::Any : Policy::Anything;
            }
            selection.operands.push_back(operand);
        }
        if (is_call) {
            it.clobbers = registers(0, 1, 2);
        } else if (is_value && below(4) == 0) {
            selection.operands.push_back({ir::kNone, Role::Temporary, Policy::InRegister, kNoRegister});
        }
        if (is_value) {
            const bool is_fixed = is_call || below(6) == 0;
            selection.operands.push_back({id, Role::Result, is_fixed ? Policy::Fixed : Policy::InRegister,
                                          is_fixed ? Register{0} : kNoRegister});
            if (!function.inputs_of(node).empty() && below(2) == 0) it.hint = 0;
        }
        it.operand_count = static_cast<std::uint8_t>(selection.operands.size() - it.first_operand);
        selection.instructions.push_back(it);
    }

    std::mt19937_64 random_;
    std::vector<ir::NodeId> known_;
};

/// Runs a function on values, and side by side on the places that the allocation gives.
class Machine {
  public:
    Machine(const Maker& maker, const Allocation& allocation)
        : function_(maker.function), selection_(maker.selection), allocation_(allocation) {}

    void run() {
        ir::BlockId block = 0;
        ir::BlockId before = ir::kNone;
        for (std::uint32_t step = 0; step < kMostSteps; ++step) {
            enter(block, before);
            const std::uint32_t end = selection_.block_begin[block + 1];
            for (std::uint32_t i = selection_.block_begin[block]; i < end; ++i) {
                for (const Move& move : allocation_.moves_before(i)) apply(move);
                execute(i);
                if (testing::Test::HasFailure()) return;
            }
            const ir::Block& here = function_.blocks[block];
            if (here.successors[0] == ir::kNone) return;
            before = block;
            // Loops end after some rounds because the number depends on the step.
            const bool is_second = here.successors[1] != ir::kNone && mix(last_, step) % 3 == 0;
            block = here.successors[is_second ? 1 : 0];
        }
    }

  private:
    static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
        return (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6U))) * 0xff51afd7ed558ccd;
    }

    void enter(ir::BlockId block, ir::BlockId before) {
        std::map<ir::NodeId, std::uint64_t> now;
        for (const ir::NodeId id : function_.blocks[block].nodes) {
            const ir::Node& node = function_.nodes[id];
            if (node.opcode == ir::Opcode::Constant) values_[id] = mix(id, 77);
            if (node.opcode != ir::Opcode::Phi) continue;
            const auto& from = function_.blocks[block].predecessors;
            const auto index =
                static_cast<std::size_t>(std::find(from.begin(), from.end(), before) - from.begin());
            now[id] = values_[function_.inputs_of(node)[index]];
        }
        for (const auto& [id, value] : now) values_[id] = value;
    }

    std::uint64_t& cell(Location location) {
        return location.is_slot() ? slots_[location.index] : registers_[location.index];
    }

    std::uint64_t read(Location location) {
        return location.is_remake() ? mix(location.index, 77) : cell(location);
    }

    void apply(const Move& move) {
        ASSERT_FALSE(move.to.is_remake());
        if (move.is_swap) return std::swap(cell(move.from), cell(move.to));
        cell(move.to) = read(move.from);
    }

    void execute(std::uint32_t index) {
        const Instruction& it = selection_.instructions[index];
        std::uint64_t result = mix(it.node, 1);
        for (const bool is_late : {false, true}) {
            for (std::uint32_t i = it.first_operand; i < it.first_operand + it.operand_count; ++i) {
                const Operand& operand = selection_.operands[i];
                if (operand.role != (is_late ? Role::LateUse : Role::Use)) continue;
                const Location at = allocation_.locations[i];
                check_policy(operand, at);
                ASSERT_EQ(read(at), values_[operand.value]) << "operand " << i << " of instruction " << index;
                result = mix(result, values_[operand.value]);
            }
            // Between early and late uses, everything that the instruction writes is written.
            if (!is_late) spoil(it);
        }
        last_ = result;
        for (std::uint32_t i = it.first_operand; i < it.first_operand + it.operand_count; ++i) {
            const Operand& operand = selection_.operands[i];
            if (operand.role != Role::Result) continue;
            check_policy(operand, allocation_.locations[i]);
            values_[operand.value] = result;
            cell(allocation_.locations[i]) = result;
        }
    }

    // A fixed use is read at once: its register may be a result's.
    void spoil(const Instruction& it) {
        for (RegisterSet set = it.clobbers; !set.is_empty(); set.remove(set.first())) {
            registers_[set.first()] = 0xdead;
        }
        for (std::uint32_t i = it.first_operand; i < it.first_operand + it.operand_count; ++i) {
            const Role role = selection_.operands[i].role;
            if (role == Role::Result || role == Role::Temporary) cell(allocation_.locations[i]) = 0xbeef;
        }
    }

    static void check_policy(const Operand& operand, Location at) {
        if (operand.policy == Policy::Fixed) {
            ASSERT_EQ(at, Location::in(operand.fixed));
        } else if (operand.policy == Policy::InRegister) {
            ASSERT_TRUE(at.is_register());
        } else if (operand.policy == Policy::Any) {
            ASSERT_TRUE(at.is_register() || at.is_slot());
        }
    }

    const ir::Function& function_;
    const Selection& selection_;
    const Allocation& allocation_;
    std::map<ir::NodeId, std::uint64_t> values_;
    std::map<std::uint32_t, std::uint64_t> slots_;
    std::uint64_t registers_[32] = {};
    std::uint64_t last_ = 0;
};

TEST(Allocation, RandomFunctionsOnFourRegisters) {
    const RegisterFile file{.allocatable = {0, 1, 2, 3}, .callee_saved = registers(3), .call_clobbered = {}};
    Allocator allocator;
    Allocation allocation;
    std::uint64_t spills = 0;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
        Maker maker(seed);
        maker.make();
        allocator.allocate(maker.function, maker.selection, file, allocation);
        Machine(maker, allocation).run();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
        spills += allocation.spill_moves;
    }
    EXPECT_GT(spills, 600U);
}

}  // namespace
}  // namespace ebpf::jit
