// SPDX-License-Identifier: MIT
// Algebra of single nodes: what a node with given inputs is equal to.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "ir/ir.hpp"

namespace ebpf::ir {

/// A node that may or may not come to be.
struct Draft {
    Node node;
    std::array<NodeId, 5> inputs{};

    Draft(const Node& what, std::initializer_list<NodeId> values) : node(what) {
        node.input_count = 0;
        for (const NodeId value : values) inputs[node.input_count++] = value;
    }
    Draft(const Function& function, const Node& what) : node(what) {
        for (unsigned i = 0; i < node.input_count; ++i) inputs[i] = function.input(what, i);
    }
    [[nodiscard]] NodeId a() const { return inputs[0]; }
    [[nodiscard]] NodeId b() const { return inputs[1]; }
    [[nodiscard]] bool is_narrow() const { return node.width == spec::Width::W32; }
    /// Number of bits that the node computes on.
    [[nodiscard]] unsigned bits() const { return is_narrow() ? 32 : 64; }
    [[nodiscard]] std::uint64_t mask() const { return is_narrow() ? 0xffffffffU : ~std::uint64_t{0}; }
};

/// Returns an upper bound of the node's value, from the bounds of its inputs; a phi: nothing known.
std::uint64_t limit_of(const Function& function, const Draft& draft,
                       const std::vector<std::uint64_t>& limits);

/// Returns an upper bound of every node's value. Cost: a few rounds over all nodes.
std::vector<std::uint64_t> find_limits(const Function& function);

/// Rules that hold whatever surrounds a node. Who derives from it says how nodes are made, and in which
/// block. A rule never makes more nodes that are needed at run time than it makes superfluous.
class Simplifier {
  public:
    explicit Simplifier(Function& function) : function_(function) {}
    Simplifier(const Simplifier&) = delete;
    Simplifier& operator=(const Simplifier&) = delete;

  protected:
    virtual ~Simplifier() = default;

    /// Returns a value equal to the draft, made now if there is none yet; simplifies it first.
    virtual NodeId make(Draft draft) = 0;
    NodeId constant(std::uint64_t value) {
        return make({{.opcode = Opcode::Constant, .imm = static_cast<std::int64_t>(value)}, {}});
    }

    /// Returns a value equal to the draft, or kNone; then the draft may have become another one, equal and
    /// better.
    NodeId simplify(Draft& draft);

    Function& function_;
    std::vector<std::uint64_t> limits_;  ///< by node: upper bound of its value

  private:
    NodeId step(Draft& draft, bool& is_changed);
    NodeId fold(const Draft& draft);
    void order_inputs(Draft& draft) const;
    bool narrow_inputs(Draft& draft);
    NodeId low_half(NodeId id) const;

    NodeId add(Draft& draft, bool& is_changed);
    NodeId subtract(Draft& draft);
    NodeId multiply(Draft& draft);
    NodeId divide(Draft& draft);
    NodeId divide_by_constant(const Draft& draft, std::uint64_t divisor);
    NodeId bit_and(Draft& draft, bool& is_changed);
    NodeId bit_or(Draft& draft, bool& is_changed);
    NodeId bit_xor(Draft& draft, bool& is_changed);
    NodeId shift(Draft& draft, bool& is_changed);
    NodeId shift_of_shift(const Draft& draft, unsigned count);
    NodeId negate(const Draft& draft);
    NodeId zero_extend(Draft& draft, bool& is_changed);
    NodeId sign_extend(Draft& draft, bool& is_changed);
    NodeId byte_swap(Draft& draft, bool& is_changed);
    NodeId compare(Draft& draft, bool& is_changed);
    NodeId select(const Draft& draft);
    void strip_stored_value(Draft& draft, bool& is_changed) const;
    void displace(Draft& draft, bool& is_changed);
    bool displace_index(Draft& draft);

    // Parts of compare(), for everything with a condition.
    bool is_decided(const Draft& draft, bool& holds) const;
    bool is_decided_by_limits(const Draft& draft, bool& holds) const;
    bool improve_condition(Draft& draft);
    bool improve_equality(Draft& draft);
    bool look_into_condition(Draft& draft);
    [[nodiscard]] bool is_never_zero(NodeId id) const;

    [[nodiscard]] const Node& node(NodeId id) const { return function_.nodes[id]; }
    [[nodiscard]] bool is(NodeId id, Opcode opcode) const { return node(id).opcode == opcode; }
    [[nodiscard]] bool is_constant(NodeId id) const { return is(id, Opcode::Constant); }
    [[nodiscard]] std::uint64_t value(NodeId id) const { return function_.constant(id); }
    [[nodiscard]] NodeId input(NodeId id, unsigned i) const { return function_.input(node(id), i); }
    /// Whether `id` is `opcode` of something and a constant, at the draft's width.
    [[nodiscard]] bool is_with_constant(NodeId id, Opcode opcode, spec::Width width) const {
        return is(id, opcode) && node(id).width == width && is_constant(input(id, 1));
    }
    NodeId truncated(NodeId id, spec::Width width) {
        return width == spec::Width::W64 ? id : make({{.opcode = Opcode::ZeroExtend, .size = 4}, {id}});
    }
};

}  // namespace ebpf::ir
