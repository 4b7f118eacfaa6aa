// SPDX-License-Identifier: MIT
// Loads, stores and atomic operations.
#include "base/assert.hpp"
#include "check/access.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::Family;
using spec::Rule;

constexpr std::int64_t kStack = spec::kStackBytes;

bool is_load(Family family) {
    return family == Family::Load || family == Family::LoadSx || family == Family::LoadAcquire;
}

Scalar unknown_of(std::uint8_t size, Family family) {
    const Scalar number = domains::truncate(size, Scalar::unknown());
    return family == Family::LoadSx ? domains::sign_extend(size, number) : number;
}

bool check_context_field(const Program& program, const isa::Instruction& instruction, const Value& pointer,
                         Finding& finding) {
    const spec::FormSpec& form = instruction.spec();
    const std::uint8_t reg = address_register(instruction);
    finding.size = form.size;
    finding.low = finding.high = instruction.offset;
    finding.is_write = form.memory != spec::Access::Read;
    if (pointer.offset != 0 || !is_exactly(pointer.number, 0)) {
        return finding.fail(Rule::ContextModified, reg, pointer);
    }
    if (form.family == Family::Atomic || form.family == Family::LoadAcquire ||
        form.family == Family::StoreRelease) {
        return finding.fail(Rule::AtomicTarget, reg, pointer);
    }
    const spec::ContextField* field =
        program.catalogue.find_field(*program.type, instruction.offset, form.size);
    if (field == nullptr) return finding.fail(Rule::ContextField, reg, pointer, "there is no such field");
    if ((field->attach & program.attach) == 0) {
        return finding.fail(Rule::ContextField, reg, pointer, "the program's attach type has no such field");
    }
    const bool is_whole =
        instruction.offset == static_cast<std::int64_t>(field->offset) && form.size == field->size;
    if (form.memory == spec::Access::Write) {
        const spec::AttachTypeSpec* attach = spec::find_attach_type(program.attach);
        if (attach != nullptr && attach->context == spec::FieldPermission::Read) {
            return finding.fail(Rule::ContextField, reg, pointer,
                                "programs of this attach type may only read their context");
        }
        if (field->permission != spec::FieldPermission::ReadWrite) {
            return finding.fail(Rule::ContextField, reg, pointer, "the field may only be read");
        }
        if (!is_whole) return finding.fail(Rule::ContextField, reg, pointer, "fields are written whole");
        return true;
    }
    if (!spec::is_number(field->meaning) && (!is_whole || form.family != Family::Load)) {
        return finding.fail(Rule::ContextField, reg, pointer, "the field is an address and is read whole");
    }
    if (field->meaning == spec::FieldMeaning::Whole && !is_whole) {
        return finding.fail(Rule::ContextField, reg, pointer, "the field is read whole");
    }
    if (instruction.offset % form.size != 0) {
        return finding.fail(Rule::ContextField, reg, pointer,
                            "parts of fields are read at their natural alignment");
    }
    return true;
}

/// What a store puts into memory may be seen by others, except on the stack.
bool check_stored(const State& state, const isa::Instruction& instruction, const Value& target,
                  Finding& finding) {
    const Value& value = state.registers[instruction.src];
    if (value.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, instruction.src, value);
    if (!is_pointer(value)) return true;
    if (target.kind != Kind::Stack) return finding.fail(Rule::PointerLeak, instruction.src, value, "stored");
    if (instruction.spec().size != 8)
        return finding.fail(Rule::PartialPointer, instruction.src, value, "stored");
    if (!target.number.is_constant()) {
        return finding.fail(Rule::PartialPointer, instruction.src, value, "stored at a varying offset");
    }
    if ((value.kind == Kind::Stack || value.kind == Kind::MapKey) && value.frame > target.frame) {
        return finding.fail(Rule::FrameEscape, instruction.src, value, "stored");
    }
    return true;
}

bool check_atomic(const State& state, const isa::Instruction& instruction, Finding& finding) {
    const spec::FormSpec& form = instruction.spec();
    const std::uint8_t reg = address_register(instruction);
    const Value& pointer = state.registers[reg];
    if (is_packet(pointer) || pointer.kind == Kind::MapKey)
        return finding.fail(Rule::AtomicTarget, reg, pointer);
    // Regions start at multiples of 8 (stack frames, map values, memory), so that alignment is that of the
    // offset.
    const Scalar offset =
        domains::alu(spec::AluOp::Add, spec::Width::W64, pointer.number,
                     Scalar::constant(static_cast<std::uint64_t>(pointer.offset + instruction.offset)));
    const std::uint64_t low_bits = std::uint64_t{form.size} - 1U;
    if (((offset.bits().mask | offset.bits().value) & low_bits) != 0) {
        finding.size = form.size;
        return finding.fail(Rule::AtomicAlignment, reg, pointer);
    }
    if (form.family != Family::Atomic) return true;
    for (const std::uint8_t operand : {instruction.src, std::uint8_t{0}}) {
        const Value& value = state.registers[operand];
        if (operand == 0 && form.atomic != spec::AtomicOp::Cmpxchg) break;
        if (value.kind == Kind::Unusable) return finding.fail(Rule::Uninitialised, operand, value);
        if (is_pointer(value)) return finding.fail(Rule::PointerLeak, operand, value, "stored");
    }
    return true;
}

/// Bytes of the active chain's stack that hold a pointer are read whole or not at all.
bool check_whole_pointers(const State& state, const isa::Instruction& instruction, const Value& pointer,
                          const Finding& bounds, Finding& finding) {
    if (pointer.kind != Kind::Stack) return true;
    const spec::FormSpec& form = instruction.spec();
    const Frame& frame = state.frames[pointer.frame];
    const auto first = static_cast<std::uint32_t>(bounds.low + kStack);
    const auto size = static_cast<std::uint32_t>(bounds.high - bounds.low + form.size);
    const bool may_fill = form.family == Family::Load || form.family == Family::LoadAcquire;
    const bool is_cut = may_fill ? frame.cuts_pointer(first, size) : frame.holds_pointer(first, size);
    if (!is_cut) return true;
    return finding.fail(Rule::PartialPointer, address_register(instruction), pointer, "read");
}

/// The number at a constant offset of a frozen map's only value.
bool load_frozen(const Program& program, const Value& pointer, std::int64_t offset, std::uint8_t size,
                 std::uint64_t& number) {
    if (pointer.kind != Kind::MapValue || !pointer.number.is_constant()) return false;
    const MapView& map = program.maps[pointer.map];
    const std::int64_t at = pointer.offset + static_cast<std::int64_t>(pointer.number.value()) + offset;
    if (!map.is_frozen || map.shape.max_entries != 1 || map.contents.size() != map.shape.value_size)
        return false;
    EBPF_ASSERT(at >= 0 && at + size <= static_cast<std::int64_t>(map.contents.size()));
    number = 0;
    for (std::uint8_t i = 0; i < size; ++i) {
        const auto byte = std::to_integer<std::uint64_t>(map.contents[static_cast<std::size_t>(at) + i]);
        number |= byte << (8U * i);
    }
    return true;
}

Value load_stack(State& state, const Value& pointer, const spec::FormSpec& form, std::int64_t offset) {
    const Value unknown = make_scalar(unknown_of(form.size, form.family));
    const OffsetSpan span = offset_span(pointer);
    if (span.low != span.high) return unknown;
    const auto first = static_cast<std::uint32_t>(span.low + offset + kStack);
    const Frame& frame = state.frames[pointer.frame];
    const StackCell* cell = frame.find(first);
    if (cell == nullptr || first + form.size > std::uint32_t{cell->first} + cell->size) return unknown;
    if (is_pointer(cell->value)) return cell->value;
    Value value = cell->value;
    if (cell->first != first || cell->size != form.size) {
        const std::uint64_t shift = std::uint64_t{first - cell->first} * 8U;
        value.id = 0;
        value.number = domains::truncate(form.size, domains::alu(spec::AluOp::Rsh, spec::Width::W64,
                                                                 value.number, Scalar::constant(shift)));
    }
    if (form.family == Family::LoadSx) {
        value.id = 0;
        value.number = domains::sign_extend(form.size, value.number);
    }
    return value;
}

Value load_context(const Program& program, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    const spec::ContextField* field =
        program.catalogue.find_field(*program.type, instruction.offset, form.size);
    EBPF_ASSERT(field != nullptr);
    switch (field->meaning) {
        case spec::FieldMeaning::Plain:
        case spec::FieldMeaning::Whole:
            break;
        case spec::FieldMeaning::PacketStart:
            return make_pointer(Kind::Packet);
        case spec::FieldMeaning::PacketEnd:
            return make_pointer(Kind::PacketEnd);
        case spec::FieldMeaning::PacketMeta:
            return make_pointer(Kind::PacketMeta);
    }
    return make_scalar(unknown_of(form.size, form.family));
}

Value load(const Program& program, State& state, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    const Value& pointer = state.registers[instruction.src];
    if (pointer.kind == Kind::Context) return load_context(program, instruction);
    if (pointer.kind == Kind::Stack) return load_stack(state, pointer, form, instruction.offset);
    std::uint64_t number = 0;
    if (load_frozen(program, pointer, instruction.offset, form.size, number)) {
        const Scalar constant = Scalar::constant(number);
        return make_scalar(form.family == Family::LoadSx ? domains::sign_extend(form.size, constant)
                                                         : constant);
    }
    return make_scalar(unknown_of(form.size, form.family));
}

Status store_stack(State& state, const Value& pointer, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    const OffsetSpan span = offset_span(pointer);
    Frame& frame = state.frames[pointer.frame];
    const auto first = static_cast<std::uint32_t>(span.low + instruction.offset + kStack);
    if (span.low != span.high) {
        frame.forget(first, static_cast<std::uint32_t>(span.high - span.low) + form.size, false);
        return Status::Ok;
    }
    StackCell cell;
    cell.first = static_cast<std::uint16_t>(first);
    cell.size = form.size;
    if (form.family == Family::StoreImm) {
        cell.value = make_scalar(Scalar::constant(static_cast<std::uint64_t>(instruction.imm)));
    } else {
        Value& source = state.registers[instruction.src];
        if (source.kind == Kind::Scalar && source.id == 0 && !source.number.is_constant()) {
            source.id = state.make_id();
        }
        cell.value = source;
    }
    if (cell.value.kind == Kind::Scalar) {
        // What is loaded again equals the register only if the store cut nothing off.
        const Scalar kept = domains::truncate(form.size, cell.value.number);
        if (form.size != 8 && !(cell.value.number.umax() >> (form.size * 8U) == 0)) cell.value.id = 0;
        cell.value.number = kept;
    }
    frame.forget(first, form.size, true);
    frame.set_written(first, form.size, true);
    return frame.insert(cell) ? Status::Ok : Status::OutOfMemory;
}

void apply_atomic(State& state, const isa::Instruction& instruction) {
    const spec::FormSpec& form = instruction.spec();
    const Value pointer = state.registers[instruction.dst];
    write_unknown(state, pointer, instruction.offset, form.size, form.size);
    if (!form.fetch) return;
    const std::uint8_t result = form.atomic == spec::AtomicOp::Cmpxchg ? std::uint8_t{0} : instruction.src;
    state.registers[result] = make_scalar(unknown_of(form.size, Family::Load));
}

}  // namespace

std::uint8_t address_register(const isa::Instruction& instruction) noexcept {
    return is_load(instruction.spec().family) ? instruction.src : instruction.dst;
}

bool check_memory(const Program& program, const State& state, const isa::Instruction& instruction,
                  Finding& finding) noexcept {
    const spec::FormSpec& form = instruction.spec();
    const std::uint8_t reg = address_register(instruction);
    const Value& pointer = state.registers[reg];
    const bool is_ordered = form.family == Family::Atomic || form.family == Family::LoadAcquire ||
                            form.family == Family::StoreRelease;
    Finding bounds;
    if (pointer.kind == Kind::Context) {
        if (!check_context_field(program, instruction, pointer, finding)) return false;
    } else {
        const Request request{instruction.offset, form.size, form.memory != spec::Access::Write,
                              form.memory != spec::Access::Read, true};
        if (!check_region(program, state, pointer, request, bounds)) {
            finding = bounds;
            finding.reg = reg;
            return false;
        }
        if (is_ordered && !check_atomic(state, instruction, finding)) return false;
        if (request.reads && !check_whole_pointers(state, instruction, pointer, bounds, finding))
            return false;
    }
    if (form.family != Family::StoreReg && form.family != Family::StoreRelease) return true;
    return check_stored(state, instruction, pointer, finding);
}

Status apply_memory(const Program& program, State& state, const isa::Instruction& instruction) noexcept {
    const spec::FormSpec& form = instruction.spec();
    if (is_load(form.family)) {
        state.registers[instruction.dst] = load(program, state, instruction);
        return Status::Ok;
    }
    if (form.family == Family::Atomic) {
        apply_atomic(state, instruction);
        return Status::Ok;
    }
    const Value pointer = state.registers[instruction.dst];
    return pointer.kind == Kind::Stack ? store_stack(state, pointer, instruction) : Status::Ok;
}

}  // namespace ebpf::check
