// SPDX-License-Identifier: MIT
#include "isa/encode.hpp"

#include <cstring>

namespace ebpf::isa {
namespace {

using spec::Family;
using spec::FieldRule;
using spec::FormSpec;

std::uint8_t register_pair(unsigned dst, unsigned src) {
    return static_cast<std::uint8_t>((dst & 0xfU) | ((src & 0xfU) << 4U));
}

bool same_form(const FormSpec& a, const FormSpec& b) {
    if (a.family != b.family) return false;
    switch (a.family) {
        case Family::Alu:
            return a.alu == b.alu && a.width == b.width && a.source == b.source;
        case Family::Negate:
        case Family::Goto:
            return a.width == b.width;
        case Family::MoveSx:
            return a.width == b.width && a.size == b.size;
        case Family::ByteOrder:
            return a.byte_order == b.byte_order && a.size == b.size;
        case Family::LoadImm64:
            return a.wide == b.wide;
        case Family::Branch:
            return a.jump == b.jump && a.width == b.width && a.source == b.source;
        case Family::Atomic:
            return a.atomic == b.atomic && a.size == b.size && a.fetch == b.fetch;
        case Family::Load:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::LoadAcquire:
        case Family::StoreRelease:
        case Family::PacketAbs:
        case Family::PacketInd:
            return a.size == b.size;
        case Family::WideTail:
        case Family::CallHelper:
        case Family::CallLocal:
        case Family::CallKfunc:
        case Family::CallRegister:
        case Family::Exit:
            break;
    }
    return true;
}

}  // namespace

Encoding encode(const Instruction& instruction) noexcept {
    const FormSpec& form = instruction.spec();
    Encoding encoding;
    encoding.count = form.slots;
    if (form.slots == 0) return encoding;
    Slot& slot = encoding.slots[0];
    slot.opcode = form.opcode;
    const auto src = form.src == FieldRule::Fixed ? static_cast<unsigned>(form.selector) : instruction.src;
    slot.registers = register_pair(instruction.dst, src);
    slot.offset =
        form.offset == FieldRule::Fixed ? static_cast<std::int16_t>(form.selector) : instruction.offset;
    slot.imm = form.imm == FieldRule::Fixed ? form.selector : static_cast<std::int32_t>(instruction.imm);
    if (form.slots == 2) encoding.slots[1].imm = static_cast<std::int32_t>(instruction.imm >> 32);
    return encoding;
}

StatusOr<FallibleVector<std::byte>> encode(std::span<const Instruction> code) noexcept {
    FallibleVector<std::byte> bytes;
    std::size_t used = 0;
    for (const Instruction& instruction : code) used += instruction.spec().slots * spec::kSlotBytes;
    if (!bytes.resize(used)) return std::unexpected(Status::OutOfMemory);
    std::size_t next = 0;
    for (const Instruction& instruction : code) {
        const Encoding encoding = encode(instruction);
        const std::size_t size = encoding.count * spec::kSlotBytes;
        if (size != 0) std::memcpy(bytes.data() + next, encoding.slots.data(), size);
        next += size;
    }
    return bytes;
}

std::optional<spec::Form> find_form(const FormSpec& wanted) noexcept {
    const auto forms = spec::forms();
    for (std::size_t index = 0; index < forms.size(); ++index) {
        if (same_form(forms[index], wanted)) return static_cast<spec::Form>(index);
    }
    return std::nullopt;
}

}  // namespace ebpf::isa
