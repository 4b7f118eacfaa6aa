// SPDX-License-Identifier: MIT
// Two passes: slots to instructions with field rules, then jump targets, which need the whole program.
#include "isa/decode.hpp"

#include <utility>

#include "base/byte_reader.hpp"
#include "isa/slot.hpp"

namespace ebpf::isa {
namespace {

using spec::FieldRule;
using spec::FormSpec;

struct Field {
    const char* name;
    FieldRule rule;
    std::int64_t value;
};

struct Fields {
    Field all[4];
};

Fields fields_of(const FormSpec& form, const Slot& slot) {
    return {{{"dst", form.dst, slot.dst()},
             {"src", form.src, slot.src()},
             {"offset", form.offset, slot.offset},
             {"imm", form.imm, slot.imm}}};
}

std::unexpected<DecodeError> refuse(Status status, std::size_t slot, const char* field, std::int64_t value) {
    return std::unexpected(DecodeError{status, static_cast<std::uint32_t>(slot), field, value});
}

bool selects(const FormSpec& form, const Slot& slot) {
    for (const Field& field : fields_of(form, slot).all) {
        if (field.rule == FieldRule::Fixed) return field.value == form.selector;
    }
    return true;
}

// All forms of one first byte are told apart by the same field; where the only choice is 0 the field is
// reserved.
std::unexpected<DecodeError> refuse_selector(std::span<const spec::Form> candidates, const Slot& slot,
                                             std::size_t index) {
    bool is_reserved = true;
    for (const spec::Form candidate : candidates)
        is_reserved = is_reserved && spec::form_spec(candidate).selector == 0;
    for (const Field& field : fields_of(spec::form_spec(candidates[0]), slot).all) {
        if (field.rule != FieldRule::Fixed) continue;
        return refuse(is_reserved ? Status::ReservedFieldSet : Status::UnknownInstruction, index, field.name,
                      field.value);
    }
    return refuse(Status::UnknownInstruction, index, "opcode", slot.opcode);
}

std::expected<spec::Form, DecodeError> select_form(const Slot& slot, std::size_t index,
                                                   spec::GroupSet groups) {
    const std::span<const spec::Form> candidates = spec::forms_of_opcode(slot.opcode);
    if (candidates.empty()) return refuse(Status::UnknownInstruction, index, "opcode", slot.opcode);
    for (const spec::Form candidate : candidates) {
        const FormSpec& form = spec::form_spec(candidate);
        if (!selects(form, slot)) continue;
        if (groups.has(form.group)) return candidate;
        auto refusal = refuse(Status::GroupNotSupported, index, "opcode", slot.opcode);
        refusal.error().group = form.group;
        return refusal;
    }
    return refuse_selector(candidates, slot, index);
}

Status check_field(const Field& field) {
    switch (field.rule) {
        case FieldRule::Zero:
            return field.value == 0 ? Status::Ok : Status::ReservedFieldSet;
        case FieldRule::Register:
            return field.value < spec::kRegisterCount ? Status::Ok : Status::FieldOutOfRange;
        case FieldRule::Writable:
            return field.value < spec::kFramePointer ? Status::Ok : Status::FieldOutOfRange;
        case FieldRule::Fixed:
        case FieldRule::Any:
        case FieldRule::JumpTarget:
            break;
    }
    return Status::Ok;
}

// The second slot holds the high half of the immediate; all its other fields are reserved.
std::expected<std::int64_t, DecodeError> wide_immediate(const FormSpec& form, const Slot& first,
                                                        const Slot& second, std::size_t index) {
    const Field reserved[] = {{"opcode", FieldRule::Zero, second.opcode},
                              {"dst", FieldRule::Zero, second.dst()},
                              {"src", FieldRule::Zero, second.src()},
                              {"offset", FieldRule::Zero, second.offset},
                              {"imm", form.next_imm, second.imm}};
    for (const Field& field : reserved) {
        const Status status = check_field(field);
        if (status != Status::Ok) return refuse(status, index + 1, field.name, field.value);
    }
    const std::uint64_t low = static_cast<std::uint32_t>(first.imm);
    const std::uint64_t high = static_cast<std::uint32_t>(second.imm);
    return static_cast<std::int64_t>(high << 32U | low);
}

// The size has been checked to be whole slots and `index` to be below it.
Slot slot_at(const ByteReader& reader, std::size_t index) {
    const StatusOr<Slot> slot = reader.read<Slot>(index * spec::kSlotBytes);
    return slot ? *slot : Slot{};
}

std::expected<Instruction, DecodeError> decode_at(const ByteReader& reader, std::size_t index,
                                                  spec::GroupSet groups) {
    const Slot slot = slot_at(reader, index);
    const auto selected = select_form(slot, index, groups);
    if (!selected) return std::unexpected(selected.error());
    const FormSpec& form = spec::form_spec(*selected);
    for (const Field& field : fields_of(form, slot).all) {
        const Status status = check_field(field);
        if (status != Status::Ok) return refuse(status, index, field.name, field.value);
    }
    Instruction instruction{*selected, slot.dst(), slot.src(), slot.offset, slot.imm};
    if (form.slots == 2) {
        if (index + 1 >= reader.size() / spec::kSlotBytes) {
            return refuse(Status::TruncatedImmediate, index, "imm", slot.imm);
        }
        const auto imm = wide_immediate(form, slot, slot_at(reader, index + 1), index);
        if (!imm) return std::unexpected(imm.error());
        instruction.imm = *imm;
    }
    return instruction;
}

std::expected<void, DecodeError> check_target(const Code& code, std::size_t index) {
    const Instruction& instruction = code[index];
    const FormSpec& form = instruction.spec();
    const bool in_offset = form.offset == FieldRule::JumpTarget;
    if (!in_offset && form.imm != FieldRule::JumpTarget) return {};
    const std::int64_t target = jump_target(instruction, form, static_cast<std::int64_t>(index));
    const char* field = in_offset ? "offset" : "imm";
    const std::int64_t value = in_offset ? std::int64_t{instruction.offset} : instruction.imm;
    if (target < 0 || target >= static_cast<std::int64_t>(code.size())) {
        return refuse(Status::JumpOutOfRange, index, field, value);
    }
    if (code[static_cast<std::size_t>(target)].spec().family == spec::Family::WideTail) {
        return refuse(Status::JumpIntoImmediate, index, field, value);
    }
    return {};
}

}  // namespace

std::expected<Code, DecodeError> decode(std::span<const std::byte> bytes, spec::GroupSet groups) noexcept {
    if (bytes.empty() || bytes.size() % spec::kSlotBytes != 0) {
        return refuse(Status::Truncated, bytes.size() / spec::kSlotBytes, "",
                      static_cast<std::int64_t>(bytes.size()));
    }
    const ByteReader reader(bytes);
    const std::size_t slots = bytes.size() / spec::kSlotBytes;
    Code code;
    if (!code.resize(slots)) return refuse(Status::OutOfMemory, 0, "", static_cast<std::int64_t>(slots));
    for (std::size_t index = 0; index < slots;) {
        const auto instruction = decode_at(reader, index, groups);
        if (!instruction) return std::unexpected(instruction.error());
        code[index] = *instruction;  // elements start as WideTail, so a second slot needs no store
        index += instruction->spec().slots;
    }
    for (std::size_t index = 0; index < slots; ++index) {
        const auto checked = check_target(code, index);
        if (!checked) return std::unexpected(checked.error());
    }
    return code;
}

}  // namespace ebpf::isa
