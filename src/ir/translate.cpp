// SPDX-License-Identifier: MIT
#include "ir/translate.hpp"

#include <array>
#include <utility>

namespace ebpf::ir {
namespace {

using spec::Family;
using spec::Source;
using spec::Width;

constexpr unsigned kFrame = spec::kFramePointer;
constexpr unsigned kValueRegisters = spec::kFramePointer;  ///< r0..r9: r10 never changes

using Registers = std::array<NodeId, kValueRegisters>;

Opcode opcode_of(spec::AluOp op) {
    switch (op) {
        case spec::AluOp::Add:
            return Opcode::Add;
        case spec::AluOp::Sub:
            return Opcode::Sub;
        case spec::AluOp::Mul:
            return Opcode::Mul;
        case spec::AluOp::Div:
            return Opcode::UDiv;
        case spec::AluOp::SDiv:
            return Opcode::SDiv;
        case spec::AluOp::Or:
            return Opcode::Or;
        case spec::AluOp::And:
            return Opcode::And;
        case spec::AluOp::Lsh:
            return Opcode::Shl;
        case spec::AluOp::Rsh:
            return Opcode::Shr;
        case spec::AluOp::Mod:
            return Opcode::UMod;
        case spec::AluOp::SMod:
            return Opcode::SMod;
        case spec::AluOp::Xor:
            return Opcode::Xor;
        case spec::AluOp::Arsh:
            return Opcode::Sar;
        case spec::AluOp::Mov:
            break;
    }
    return Opcode::ZeroExtend;
}

class Translator {
  public:
    Translator(const TranslationContext& context, const std::vector<SlotBlock>& slot_blocks)
        : context_(context), code_(context.input.code), slot_blocks_(slot_blocks) {}

    Function run(std::uint32_t parameter_count) {
        function_.parameter_count = parameter_count;
        std::size_t slots = 0;
        for (const SlotBlock& part : slot_blocks_) slots += part.end - part.begin;
        function_.nodes.reserve(slots + slots / 2 + slot_blocks_.size() * 2);
        function_.inputs.reserve(slots * 2);
        make_blocks();
        make_entry(parameter_count);
        for (std::uint32_t i = 0; i < slot_blocks_.size(); ++i) fill(i);
        complete_phis();
        if (is_frame_used_) function_.frame_bytes = spec::kStackBytes;
        return std::move(function_);
    }

  private:
    // ---- blocks

    /// Block 0 is an entry of its own: the program's first instruction may be the target of a jump.
    void make_blocks() {
        function_.blocks.resize(slot_blocks_.size() + 1);
        at_end_.resize(slot_blocks_.size() + 1);
        function_.blocks[0].successors[0] = 1;
        function_.blocks[1].predecessors.push_back(0);
        for (std::uint32_t i = 0; i < slot_blocks_.size(); ++i) {
            Block& block = function_.blocks[i + 1];
            const std::size_t slots = slot_blocks_[i].end - slot_blocks_[i].begin;
            block.nodes.reserve(slots + slots / 2 + 4);
            block.predecessors.reserve(slot_blocks_[i].predecessors.size());
            for (const std::uint32_t before : slot_blocks_[i].predecessors)
                block.predecessors.push_back(before + 1);
            for (unsigned j = 0; j < 2; ++j) {
                const std::uint32_t successor = slot_blocks_[i].successors[j];
                if (successor != kNone) block.successors[j] = successor + 1;
            }
        }
    }

    void make_entry(std::uint32_t parameter_count) {
        block_ = 0;
        slot_ = slot_blocks_[0].begin;
        registers_.fill(kNone);
        for (std::uint32_t i = 0; i < parameter_count; ++i) {
            if ((slot_blocks_[0].live_in >> (i + 1) & 1U) != 0)
                registers_[i + 1] = emit({.opcode = Opcode::Parameter, .imm = i}, {});
        }
        frame_ = emit({.opcode = Opcode::FrameAddress}, {});
        undefined_ = constant(0);
        emit({.opcode = Opcode::Jump}, {});
        at_end_[0] = registers_;
    }

    void fill(std::uint32_t index) {
        block_ = index + 1;
        const SlotBlock& part = slot_blocks_[index];
        slot_ = part.begin;
        enter(part);
        for (; slot_ < part.end; ++slot_) translate_instruction(code_[slot_]);
        Block& block = function_.blocks[block_];
        if (block.nodes.empty() || !is_terminator(function_.nodes[block.nodes.back()]))
            emit({.opcode = Opcode::Jump}, {});
        at_end_[block_] = registers_;
    }

    /// Registers at the start of a block: what all predecessors agree on, else a phi.
    void enter(const SlotBlock& part) {
        const auto& predecessors = function_.blocks[block_].predecessors;
        bool is_complete = true;
        for (const BlockId before : predecessors) is_complete = is_complete && before < block_;
        const Registers& first = at_end_[predecessors[0]];
        if (predecessors.size() == 1) {
            registers_ = first;
            return;
        }
        for (unsigned number = 0; number < kValueRegisters; ++number) {
            registers_[number] = kNone;
            if ((part.live_in >> number & 1U) == 0) continue;
            bool is_same = is_complete;
            for (const BlockId before : predecessors) {
                if (before < block_) is_same = is_same && at_end_[before][number] == first[number];
            }
            registers_[number] = is_same ? first[number] : make_phi(number);
        }
    }

    NodeId make_phi(unsigned number) {
        const std::vector<NodeId> none(function_.blocks[block_].predecessors.size(), kNone);
        const NodeId phi = function_.add({.opcode = Opcode::Phi, .block = block_, .slot = slot_}, none);
        function_.blocks[block_].nodes.push_back(phi);
        phis_.push_back({phi, number});
        return phi;
    }

    void complete_phis() {
        for (const auto& [phi, number] : phis_) {
            const Node& node = function_.nodes[phi];
            const auto& predecessors = function_.blocks[node.block].predecessors;
            for (std::size_t i = 0; i < predecessors.size(); ++i) {
                const NodeId value = at_end_[predecessors[i]][number];
                function_.inputs[node.first_input + i] = value == kNone ? undefined_ : value;
            }
        }
    }

    // ---- nodes

    NodeId emit(Node node, std::initializer_list<NodeId> inputs) {
        return emit(node, std::span(inputs.begin(), inputs.size()));
    }

    NodeId emit(Node node, std::span<const NodeId> inputs) {
        node.block = block_;
        node.slot = slot_;
        const NodeId id = function_.add(node, inputs);
        function_.blocks[block_].nodes.push_back(id);
        return id;
    }

    NodeId constant(std::int64_t value) { return emit({.opcode = Opcode::Constant, .imm = value}, {}); }

    NodeId read(unsigned number) {
        if (number == kFrame) {
            is_frame_used_ = true;
            return frame_;
        }
        return registers_[number] == kNone ? undefined_ : registers_[number];
    }

    NodeId operand(const isa::Instruction& instruction, const spec::FormSpec& form) {
        return form.source == Source::Imm ? constant(instruction.imm) : read(instruction.src);
    }

    [[nodiscard]] Region region() const {
        const auto& regions = context_.input.regions;
        return slot_ < regions.size() ? regions[slot_] : Region::Unknown;
    }

    /// The part of a memory access that all of them have.
    [[nodiscard]] Node access(Opcode opcode, const isa::Instruction& instruction) const {
        return {
            .opcode = opcode, .size = instruction.spec().size, .region = region(), .imm = instruction.offset};
    }

    // ---- instructions

    void translate_instruction(const isa::Instruction& instruction) {
        const spec::FormSpec& form = instruction.spec();
        switch (form.family) {
            case Family::WideTail:
            case Family::CallKfunc:
            case Family::CallRegister:
                return;  // check_instructions() has refused the calls
            case Family::Alu:
            case Family::Negate:
            case Family::MoveSx:
            case Family::ByteOrder:
                registers_[instruction.dst] = arithmetic(instruction, form);
                return;
            case Family::LoadImm64:
                registers_[instruction.dst] = wide_immediate(instruction, form);
                return;
            case Family::Load:
            case Family::LoadSx:
            case Family::StoreImm:
            case Family::StoreReg:
            case Family::Atomic:
            case Family::LoadAcquire:
            case Family::StoreRelease:
                memory(instruction, form);
                return;
            case Family::PacketAbs:
                registers_[0] = emit(packet(instruction, form), {});
                return;
            case Family::PacketInd:
                registers_[0] = emit(packet(instruction, form), {read(instruction.src)});
                return;
            case Family::Goto:
                emit({.opcode = Opcode::Jump}, {});
                return;
            case Family::Branch:
                branch(instruction, form);
                return;
            case Family::CallHelper:
                call_helper(instruction);
                return;
            case Family::CallLocal:
                call_local(instruction);
                return;
            case Family::Exit:
                emit({.opcode = Opcode::Return}, {read(0)});
                return;
        }
    }

    NodeId arithmetic(const isa::Instruction& instruction, const spec::FormSpec& form) {
        if (form.family == Family::Negate)
            return emit({.opcode = Opcode::Negate, .width = form.width}, {read(instruction.dst)});
        if (form.family == Family::MoveSx)
            return emit({.opcode = Opcode::SignExtend, .width = form.width, .size = form.size},
                        {read(instruction.src)});
        if (form.family == Family::ByteOrder) {
            const bool is_swap = form.byte_order != spec::ByteOrderOp::ToLittle;
            if (!is_swap && form.size == sizeof(std::uint64_t)) return read(instruction.dst);
            return emit({.opcode = is_swap ? Opcode::ByteSwap : Opcode::ZeroExtend, .size = form.size},
                        {read(instruction.dst)});
        }
        if (form.alu == spec::AluOp::Mov) return move(instruction, form);
        const NodeId a = read(instruction.dst);
        const NodeId b = operand(instruction, form);
        return emit({.opcode = opcode_of(form.alu), .width = form.width}, {a, b});
    }

    NodeId move(const isa::Instruction& instruction, const spec::FormSpec& form) {
        constexpr std::uint8_t kHalf = 4;
        const bool is_narrow = form.width == Width::W32;
        if (form.source == Source::Imm)
            return constant(is_narrow ? std::int64_t{static_cast<std::uint32_t>(instruction.imm)}
                                      : instruction.imm);
        const NodeId value = read(instruction.src);
        return is_narrow ? emit({.opcode = Opcode::ZeroExtend, .size = kHalf}, {value}) : value;
    }

    NodeId wide_immediate(const isa::Instruction& instruction, const spec::FormSpec& form) {
        if (form.wide == spec::WideKind::Value) return constant(instruction.imm);
        if (form.wide == spec::WideKind::MapIndexValue)
            return emit({.opcode = Opcode::MapValue, .imm = instruction.imm}, {});
        if (form.wide == spec::WideKind::CodeAddress) {
            const std::uint32_t target = context_.layout.at(address_target_of(instruction, slot_));
            return emit({.opcode = Opcode::CodeAddress, .imm = context_.function_of[target]}, {});
        }
        return emit({.opcode = Opcode::MapHandle, .imm = instruction.imm & 0xffffffff}, {});
    }

    void memory(const isa::Instruction& instruction, const spec::FormSpec& form) {
        if (form.family == Family::Load || form.family == Family::LoadSx ||
            form.family == Family::LoadAcquire) {
            Node node =
                access(form.family == Family::LoadAcquire ? Opcode::LoadAcquire : Opcode::Load, instruction);
            node.is_signed = form.family == Family::LoadSx;
            registers_[instruction.dst] = emit(node, {read(instruction.src)});
        } else if (form.family == Family::Atomic) {
            atomic(instruction, form);
        } else {
            const NodeId base = read(instruction.dst);
            const NodeId value =
                form.family == Family::StoreImm ? constant(instruction.imm) : read(instruction.src);
            emit(access(form.family == Family::StoreRelease ? Opcode::StoreRelease : Opcode::Store,
                        instruction),
                 {base, value});
        }
    }

    void atomic(const isa::Instruction& instruction, const spec::FormSpec& form) {
        Node node = access(Opcode::Atomic, instruction);
        node.atomic = form.atomic;
        node.fetch = form.fetch;
        const NodeId base = read(instruction.dst);
        const NodeId value = read(instruction.src);
        if (form.atomic == spec::AtomicOp::Cmpxchg) {
            registers_[0] = emit(node, {base, value, read(0)});
            return;
        }
        const NodeId old = emit(node, {base, value});
        if (form.fetch) registers_[instruction.src] = old;
    }

    static Node packet(const isa::Instruction& instruction, const spec::FormSpec& form) {
        return {.opcode = Opcode::PacketLoad,
                .size = form.size,
                .region = Region::Packet,
                .imm = instruction.imm};
    }

    void branch(const isa::Instruction& instruction, const spec::FormSpec& form) {
        if (function_.blocks[block_].successors[1] == kNone) {
            emit({.opcode = Opcode::Jump}, {});
            return;
        }
        const NodeId a = read(instruction.dst);
        const NodeId b = operand(instruction, form);
        emit({.opcode = Opcode::Branch, .width = form.width, .condition = form.jump}, {a, b});
    }

    void call(Node node, unsigned count) {
        std::array<NodeId, 5> arguments{};
        for (unsigned i = 0; i < count; ++i) arguments[i] = read(i + 1);
        registers_[0] = emit(node, std::span(arguments.data(), count));
    }

    void call_helper(const isa::Instruction& instruction) {
        Opcode opcode = Opcode::CallHelper;
        for (const engine::HelperBinding& helper : context_.input.bindings.helpers) {
            if (helper.id == instruction.imm && helper.is_tail_call) opcode = Opcode::TailCall;
        }
        call({.opcode = opcode, .imm = instruction.imm}, helper_arguments(instruction.imm));
    }

    void call_local(const isa::Instruction& instruction) {
        const std::uint32_t callee = context_.layout.at(target_of(instruction, slot_));
        call({.opcode = Opcode::CallLocal, .imm = context_.function_of[callee]},
             context_.layout.subprograms[callee].parameter_count);
    }

    struct PendingPhi {
        NodeId phi;
        unsigned number;
    };

    const TranslationContext& context_;
    const isa::Code& code_;
    const std::vector<SlotBlock>& slot_blocks_;
    Function function_;
    std::vector<Registers> at_end_;  ///< by block
    std::vector<PendingPhi> phis_;
    Registers registers_{};
    BlockId block_ = 0;
    std::uint32_t slot_ = 0;
    NodeId frame_ = kNone;
    NodeId undefined_ = kNone;
    bool is_frame_used_ = false;
};

}  // namespace

Function translate(const TranslationContext& context, const std::vector<SlotBlock>& slot_blocks,
                   std::uint32_t parameter_count) {
    return Translator(context, slot_blocks).run(parameter_count);
}

}  // namespace ebpf::ir
