// SPDX-License-Identifier: MIT
#include <aarch64/assembler-aarch64.h>

#include <bit>
#include <limits>

#include "jit/arm64/arm64.hpp"
#include "jit/arm64/selected.hpp"

namespace ebpf::jit::arm64 {
namespace {

using ir::Node;
using ir::NodeId;
using ir::Opcode;
using spec::Width;
using vixl::aarch64::Assembler;

constexpr RegisterSet kCalleeSaved = registers(19, 20, 21, 22, 23, 24, 25, 26, 27, 28);
constexpr RegisterSet kCallerSaved = registers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

constexpr unsigned bits_of(Width width) {
    return width == Width::W64 ? 64 : 32;
}

class Selector {
  public:
    Selector(const ir::Function& function, bool is_program, const Options& options, Selected& selected)
        : function_(function), is_program_(is_program), options_(options), out_(selected) {}

    void run() {
        const std::size_t count = function_.nodes.size();
        out_.selection.clear();
        out_.forms.clear();
        out_.has_calls = false;
        out_.invocation = static_cast<ValueId>(count);
        out_.selection.value_count = out_.invocation + 1;
        out_.selection.can_remake.resize(out_.selection.value_count);
        forms_.assign(count, {});
        is_absorbed_.assign(count, false);
        count_uses();
        for (const ir::Block& block : function_.blocks) plan(block);
        bool is_entry = true;
        for (const ir::Block& block : function_.blocks) {
            out_.selection.block_begin.push_back(instruction_count());
            if (is_entry) add_entry();
            is_entry = false;
            for (const NodeId id : block.nodes) {
                if (!is_absorbed_[id]) add(id);
            }
        }
        out_.selection.block_begin.push_back(instruction_count());
    }

  private:
    [[nodiscard]] std::uint32_t instruction_count() const {
        return static_cast<std::uint32_t>(out_.selection.instructions.size());
    }
    [[nodiscard]] const Node& at(NodeId id) const { return function_.nodes[id]; }

    void count_uses() {
        uses_.assign(function_.nodes.size(), 0);
        for (const ir::Block& block : function_.blocks) {
            for (const NodeId id : block.nodes) {
                for (const NodeId input : function_.inputs_of(at(id))) ++uses_[input];
            }
        }
    }

    // ---- planning: which neighbours an instruction takes in

    /// Whether `id` is computed for `user` alone and may be computed where that is.
    [[nodiscard]] bool is_private(NodeId id, const Node& user) const {
        return uses_[id] == 1 && at(id).block == user.block && !is_absorbed_[id];
    }

    /// The constant input as the instruction of `width` sees it.
    [[nodiscard]] static std::int64_t constant_of(const Node& node, Width width) {
        return width == Width::W64 ? node.imm : static_cast<std::int32_t>(node.imm);
    }

    [[nodiscard]] bool may_show(std::int64_t value) const {
        return !options_.blind_constants || (value >= -128 && value <= 255);
    }

    [[nodiscard]] static bool fits_add(std::int64_t value) {
        if (value == std::numeric_limits<std::int64_t>::min()) return false;
        return Assembler::IsImmAddSub(value) || Assembler::IsImmAddSub(-value);
    }

    [[nodiscard]] static bool fits_logical(std::int64_t value, Width width) {
        const auto bits = static_cast<std::uint64_t>(value);
        return Assembler::IsImmLogical(width == Width::W64 ? bits : bits & 0xffffffffU, bits_of(width));
    }

    /// Takes the constant `id` in if `fits` says so.
    template <typename Fits>
    bool take_immediate(Form& form, NodeId id, Width width, Fits fits) const {
        if (at(id).opcode != Opcode::Constant) return false;
        const std::int64_t value = constant_of(at(id), width);
        if (!may_show(value) || !fits(value)) return false;
        form.rhs = Rhs::Immediate;
        form.imm = value;
        return true;
    }

    bool take_shifted(Form& form, NodeId id, const Node& user) {
        const Node& shift = at(id);
        if (!is_private(id, user) || shift.width != user.width) return false;
        if (shift.opcode == Opcode::Shl) {
            form.shift_kind = ShiftKind::Left;
        } else if (shift.opcode == Opcode::Shr) {
            form.shift_kind = ShiftKind::Right;
        } else if (shift.opcode == Opcode::Sar) {
            form.shift_kind = ShiftKind::Arithmetic;
        } else {
            return false;
        }
        const Node& count = at(function_.inputs_of(shift)[1]);
        if (count.opcode != Opcode::Constant) return false;
        form.shift =
            static_cast<std::uint8_t>(static_cast<std::uint64_t>(count.imm) & (bits_of(shift.width) - 1U));
        form.rhs = Rhs::Shifted;
        is_absorbed_[id] = true;
        return true;
    }

    bool take_extended(Form& form, NodeId id, const Node& user) {
        const Node& extension = at(id);
        const bool is_half =
            (extension.opcode == Opcode::SignExtend || extension.opcode == Opcode::ZeroExtend) &&
            extension.size == 4 && extension.width == Width::W64;
        if (!is_half || user.width != Width::W64 || !is_private(id, user)) return false;
        form.rhs = Rhs::Extended;
        form.is_signed_extension = extension.opcode == Opcode::SignExtend;
        is_absorbed_[id] = true;
        return true;
    }

    bool take_product(Form& form, NodeId id, const Node& user) {
        const Node& product = at(id);
        if (product.opcode != Opcode::Mul || product.width != user.width || !is_private(id, user))
            return false;
        form.rhs = Rhs::Product;
        is_absorbed_[id] = true;
        return true;
    }

    /// Takes an input in: the second or, where they may change places, the first.
    template <typename Take>
    void take_either(Form& form, const Node& node, Take take) {
        const auto inputs = function_.inputs_of(node);
        if (take(inputs[1]) || node.opcode == Opcode::Sub) return;
        form.is_swapped = take(inputs[0]);
    }

    void plan_sum(Form& form, const Node& node) {
        take_either(form, node, [&](NodeId id) {
            return take_immediate(form, id, node.width, fits_add) || take_product(form, id, node) ||
                   take_shifted(form, id, node) || take_extended(form, id, node);
        });
    }

    void plan_logical(Form& form, const Node& node) {
        const auto fits = [&](std::int64_t value) { return fits_logical(value, node.width); };
        take_either(form, node, [&](NodeId id) {
            return take_immediate(form, id, node.width, fits) || take_shifted(form, id, node);
        });
    }

    void plan_comparison(Form& form, const Node& node) {
        const NodeId rhs = function_.inputs_of(node)[1];
        const auto fits = [&](std::int64_t value) {
            return node.condition == spec::JumpOp::Set ? fits_logical(value, node.width) : fits_add(value);
        };
        take_immediate(form, rhs, node.width, fits);
        if (node.opcode != Opcode::Select) return;
        const auto is_zero = [&](NodeId id) { return at(id).opcode == Opcode::Constant && at(id).imm == 0; };
        form.is_c_zero = is_zero(function_.inputs_of(node)[2]);
        form.is_d_zero = is_zero(function_.inputs_of(node)[3]);
    }

    void plan_address(Form& form, const Node& node, bool may_index) {
        form.imm = node.imm;
        const NodeId base = function_.inputs_of(node)[0];
        if (at(base).opcode == Opcode::FrameAddress) {
            form.base = Base::Frame;
            form.imm += at(base).imm;
            return;
        }
        const bool is_sum = at(base).opcode == Opcode::Add && at(base).width == Width::W64;
        if (!is_sum || !is_private(base, node)) return;
        const NodeId index = function_.inputs_of(at(base))[1];
        if (at(index).opcode == Opcode::Constant) {
            if (!may_show(at(index).imm) || !fits_add(at(index).imm)) return;
            form.imm += at(index).imm;
            is_absorbed_[base] = true;
            return;
        }
        if (!may_index || node.imm != 0) return;
        form.base = Base::Indexed;
        is_absorbed_[base] = true;
        // [base, index, lsl #k] exists for the access's own size only.
        if (!is_private(index, node) || at(index).opcode != Opcode::Shl) return;
        const Node& count = at(function_.inputs_of(at(index))[1]);
        const bool is_scale = count.opcode == Opcode::Constant &&
                              count.imm == std::countr_zero(static_cast<unsigned>(node.size)) &&
                              at(index).width == Width::W64;
        if (!is_scale) return;
        form.shift = static_cast<std::uint8_t>(count.imm);
        is_absorbed_[index] = true;
    }

    void plan(const ir::Block& block) {
        for (auto it = block.nodes.rbegin(); it != block.nodes.rend(); ++it) {
            if (!is_absorbed_[*it]) plan(at(*it), forms_[*it]);
        }
    }

    void plan(const Node& node, Form& form) {
        const Opcode opcode = node.opcode;
        if (opcode == Opcode::Add || opcode == Opcode::Sub) {
            plan_sum(form, node);
        } else if (opcode == Opcode::And || opcode == Opcode::Or || opcode == Opcode::Xor) {
            plan_logical(form, node);
        } else if (opcode == Opcode::Shl || opcode == Opcode::Shr || opcode == Opcode::Sar) {
            take_immediate(form, function_.inputs_of(node)[1], node.width, [](std::int64_t) { return true; });
        } else if (opcode == Opcode::Compare || opcode == Opcode::Select || opcode == Opcode::Branch) {
            plan_comparison(form, node);
        } else if (opcode == Opcode::Load || opcode == Opcode::Store) {
            plan_address(form, node, true);
        } else if (opcode == Opcode::Atomic || opcode == Opcode::LoadAcquire ||
                   opcode == Opcode::StoreRelease) {
            plan_address(form, node, false);
        }
        if (opcode == Opcode::Store || opcode == Opcode::StoreRelease) {
            form.stores_zero = is_zero_constant(function_.inputs_of(node)[1]);
        }
    }

    [[nodiscard]] bool is_zero_constant(NodeId id) const {
        return at(id).opcode == Opcode::Constant && at(id).imm == 0;
    }

    // ---- instructions

    void begin(NodeId id) {
        Instruction instruction;
        instruction.node = id;
        instruction.first_operand = static_cast<std::uint32_t>(out_.selection.operands.size());
        out_.selection.instructions.push_back(instruction);
        out_.forms.push_back(id == ir::kNone ? Form{} : forms_[id]);
    }

    void operand(ValueId value, Role role, Policy policy = Policy::InRegister, Register fixed = kNoRegister) {
        out_.selection.operands.push_back({value, role, policy, fixed});
        ++out_.selection.instructions.back().operand_count;
    }
    void use(ValueId value) { operand(value, Role::Use); }
    void late_use(ValueId value) { operand(value, Role::LateUse); }
    void use_in(ValueId value, Register fixed) { operand(value, Role::Use, Policy::Fixed, fixed); }
    void result(ValueId value) { operand(value, Role::Result); }
    void result_in(ValueId value, Register fixed) { operand(value, Role::Result, Policy::Fixed, fixed); }
    void temporary() { operand(ir::kNone, Role::Temporary); }
    void clobber_for_call() {
        out_.selection.instructions.back().clobbers = kCallerSaved;
        out_.has_calls = true;
    }

    // The program: x0 = image, x1 = invocation. A subprogram: x0..x4 = r1..r5, x5 = invocation.
    void add_entry() {
        begin(ir::kNone);
        const Register invocation = is_program_ ? Register{1} : kInvocationArgument;
        result_in(out_.invocation, invocation);
        for (const NodeId id : function_.blocks.front().nodes) {
            if (at(id).opcode != Opcode::Parameter) continue;
            if (is_program_) {
                if (uses_[id] != 0) result(id);
            } else {
                result_in(id, static_cast<Register>(at(id).imm));
            }
        }
    }

    void add_binary(NodeId id, const Node& node) {
        const auto inputs = function_.inputs_of(node);
        const Form& form = forms_[id];
        const NodeId rhs = inputs[form.is_swapped ? 0 : 1];
        begin(id);
        result(id);
        use(inputs[form.is_swapped ? 1 : 0]);
        switch (form.rhs) {
            case Rhs::Register:
                use(rhs);
                break;
            case Rhs::Immediate:
                break;
            case Rhs::Shifted:
            case Rhs::Extended:
                use(function_.inputs_of(at(rhs))[0]);
                break;
            case Rhs::Product:
                use(function_.inputs_of(at(rhs))[0]);
                use(function_.inputs_of(at(rhs))[1]);
                break;
        }
    }

    // The quotient goes through the scratch register, after which the inputs are read again.
    void add_remainder(NodeId id, const Node& node) {
        const auto inputs = function_.inputs_of(node);
        begin(id);
        result(id);
        use(inputs[0]);
        use(inputs[1]);
    }

    void add_unary(NodeId id, const Node& node) {
        begin(id);
        result(id);
        use(function_.inputs_of(node)[0]);
    }

    void add_comparison(NodeId id, const Node& node) {
        const auto inputs = function_.inputs_of(node);
        const Form& form = forms_[id];
        begin(id);
        if (node.opcode != Opcode::Branch) result(id);
        use(inputs[0]);
        if (form.rhs == Rhs::Register) use(inputs[1]);
        if (node.opcode != Opcode::Select) return;
        if (!form.is_c_zero) use(inputs[2]);
        if (!form.is_d_zero) use(inputs[3]);
    }

    void add_address(NodeId id, const Node& node, Role role) {
        const NodeId base = function_.inputs_of(node)[0];
        switch (forms_[id].base) {
            case Base::Register:
                operand(is_absorbed_[base] ? function_.inputs_of(at(base))[0] : base, role);
                break;
            case Base::Frame:
                break;
            case Base::Indexed: {
                const auto parts = function_.inputs_of(at(base));
                operand(parts[0], role);
                operand(is_absorbed_[parts[1]] ? function_.inputs_of(at(parts[1]))[0] : parts[1], role);
                break;
            }
        }
    }

    void add_access(NodeId id, const Node& node) {
        begin(id);
        if (ir::has_result(node)) result(id);
        add_address(id, node, Role::Use);
        const bool is_store = node.opcode == Opcode::Store || node.opcode == Opcode::StoreRelease;
        if (is_store && !forms_[id].stores_zero) use(function_.inputs_of(node)[1]);
    }

    // Order: old value, base, b, c, and the new value of the retry loop. The old value is written before the
    // others are read for the last time.
    void add_atomic(NodeId id, const Node& node) {
        const auto inputs = function_.inputs_of(node);
        begin(id);
        if (node.fetch) {
            result(id);
        } else {
            temporary();
        }
        add_address(id, node, Role::LateUse);
        for (const NodeId input : inputs.subspan(1)) late_use(input);
        temporary();
    }

    void add_arguments(std::span<const NodeId> inputs) {
        Register next = 0;
        for (const NodeId input : inputs) use_in(input, next++);
    }

    void add_call(NodeId id, const Node& node) {
        begin(id);
        result_in(id, 0);
        add_arguments(function_.inputs_of(node));
        use_in(out_.invocation, kInvocationArgument);
        // Looked at after the call.
        if (node.opcode == Opcode::TailCall) operand(out_.invocation, Role::LateUse, Policy::Any);
        clobber_for_call();
    }

    void add_map_lookup(NodeId id, const Node& node) {
        begin(id);
        result_in(id, 0);
        use_in(function_.inputs_of(node)[0], 1);
        clobber_for_call();
    }

    void add_packet_load(NodeId id, const Node& node) {
        begin(id);
        result_in(id, 0);
        use_in(out_.invocation, 0);
        const auto inputs = function_.inputs_of(node);
        if (!inputs.empty()) use_in(inputs[0], 1);
        clobber_for_call();
    }

    void add(NodeId id) {
        const Node& node = at(id);
        switch (node.opcode) {
            case Opcode::Constant:
            case Opcode::MapHandle:
            case Opcode::MapValue:
            case Opcode::FrameAddress:
            case Opcode::CodeAddress:
                out_.selection.can_remake[id] = true;
                break;
            case Opcode::Parameter:  // of the entry
            case Opcode::Phi:
                break;
            case Opcode::Add:
            case Opcode::Sub:
            case Opcode::Mul:
            case Opcode::UDiv:
            case Opcode::SDiv:
            case Opcode::And:
            case Opcode::Or:
            case Opcode::Xor:
            case Opcode::Shl:
            case Opcode::Shr:
            case Opcode::Sar:
                add_binary(id, node);
                break;
            case Opcode::UMod:
            case Opcode::SMod:
                add_remainder(id, node);
                break;
            case Opcode::Negate:
            case Opcode::SignExtend:
            case Opcode::ZeroExtend:
            case Opcode::ByteSwap:
                add_unary(id, node);
                break;
            case Opcode::Compare:
            case Opcode::Select:
            case Opcode::Branch:
                add_comparison(id, node);
                break;
            case Opcode::Load:
            case Opcode::LoadAcquire:
            case Opcode::Store:
            case Opcode::StoreRelease:
                add_access(id, node);
                break;
            case Opcode::Atomic:
                add_atomic(id, node);
                break;
            case Opcode::CallHelper:
            case Opcode::TailCall:
            case Opcode::CallLocal:
                add_call(id, node);
                break;
            case Opcode::MapLookup:
                add_map_lookup(id, node);
                break;
            case Opcode::PacketLoad:
                add_packet_load(id, node);
                break;
            case Opcode::Jump:
                begin(id);
                break;
            case Opcode::Return:
                begin(id);
                use_in(function_.inputs_of(node)[0], 0);
                break;
        }
    }

    const ir::Function& function_;
    bool is_program_;
    const Options& options_;
    Selected& out_;
    std::vector<std::uint32_t> uses_;  // by node
    std::vector<Form> forms_;          // by node
    std::vector<bool> is_absorbed_;    // by node: it gets no instruction of its own
};

}  // namespace

const RegisterFile& register_file() {
    static const RegisterFile file = [] {
        RegisterFile all;
        for (Register r = 0; r <= 15; ++r) all.allocatable.push_back(r);
        for (Register r = 19; r <= 28; ++r) all.allocatable.push_back(r);
        all.callee_saved = kCalleeSaved;
        all.call_clobbered = kCallerSaved;
        return all;
    }();
    return file;
}

void select(const ir::Function& function, bool is_program, const Options& options, Selected& selected) {
    Selector(function, is_program, options, selected).run();
}

}  // namespace ebpf::jit::arm64
