// SPDX-License-Identifier: MIT
// Expands instructions.def to forms and indexes them by first byte; an encoding claimed twice fails the
// build.
#include "spec/instructions.hpp"

#include <array>

namespace ebpf::spec {
namespace {

// Instruction classes (RFC 9669 section 3.1).
constexpr std::uint8_t kLd = 0x0;
constexpr std::uint8_t kLdx = 0x1;
constexpr std::uint8_t kSt = 0x2;
constexpr std::uint8_t kStx = 0x3;
constexpr std::uint8_t kAlu32 = 0x4;
constexpr std::uint8_t kJmp64 = 0x5;
constexpr std::uint8_t kJmp32 = 0x6;
constexpr std::uint8_t kAlu64 = 0x7;
constexpr std::uint8_t kSourceReg = 0x8;
// Modes of load and store instructions (RFC 9669 section 5).
constexpr std::uint8_t kModeImm = 0x00;
constexpr std::uint8_t kModeAbs = 0x20;
constexpr std::uint8_t kModeInd = 0x40;
constexpr std::uint8_t kModeMem = 0x60;
constexpr std::uint8_t kModeMemSx = 0x80;
constexpr std::uint8_t kModeAtomic = 0xc0;
constexpr std::uint8_t kFetchBit = 0x01;

constexpr std::uint8_t size_bits(std::uint8_t bytes) {
    return bytes == 4 ? 0x00 : bytes == 2 ? 0x08 : bytes == 1 ? 0x10 : 0x18;
}

constexpr std::uint8_t byte_of(unsigned value) {
    return static_cast<std::uint8_t>(value);
}

enum class AluGroup : std::uint8_t { Base, DivMul };

constexpr Group alu_group(AluGroup group, Width width) {
    if (group == AluGroup::Base) return width == Width::W32 ? Group::Base32 : Group::Base64;
    return width == Width::W32 ? Group::DivMul32 : Group::DivMul64;
}

constexpr std::size_t kMaxForms = 256;

struct Table {
    std::array<FormSpec, kMaxForms> forms{};
    std::size_t count = 1;  // row 0 is WideTail

    constexpr void add(const FormSpec& form) { forms[count++] = form; }
};

struct Names {
    const char* name;
    const char* symbol;
};

constexpr void add_alu(Table& table, AluOp op, std::uint8_t code, Names names, AluGroup group, int offset) {
    for (const Width width : {Width::W32, Width::W64}) {
        for (const Source source : {Source::Imm, Source::Reg}) {
            FormSpec form;
            form.family = Family::Alu;
            form.alu = op;
            form.name = names.name;
            form.symbol = names.symbol;
            form.width = width;
            form.source = source;
            form.group = alu_group(group, width);
            form.opcode = byte_of((unsigned{code} << 4U) | (source == Source::Reg ? kSourceReg : 0U) |
                                  (width == Width::W32 ? kAlu32 : kAlu64));
            form.dst = FieldRule::Writable;
            form.src = source == Source::Reg ? FieldRule::Register : FieldRule::Zero;
            form.imm = source == Source::Imm ? FieldRule::Any : FieldRule::Zero;
            form.offset = FieldRule::Fixed;
            form.selector = offset;
            form.reads_dst = op != AluOp::Mov;
            form.writes_dst = true;
            form.reads_src = source == Source::Reg;
            form.section = "RFC 9669 4.1";
            table.add(form);
        }
    }
}

constexpr void add_negate(Table& table, std::uint8_t code, Names names) {
    for (const Width width : {Width::W32, Width::W64}) {
        FormSpec form;
        form.family = Family::Negate;
        form.name = names.name;
        form.symbol = names.symbol;
        form.width = width;
        form.group = width == Width::W32 ? Group::Base32 : Group::Base64;
        form.opcode = byte_of((unsigned{code} << 4U) | (width == Width::W32 ? kAlu32 : kAlu64));
        form.dst = FieldRule::Writable;
        form.reads_dst = true;
        form.writes_dst = true;
        form.section = "RFC 9669 4.1";
        table.add(form);
    }
}

constexpr void add_move_sx(Table& table, std::uint8_t code, int bits, bool in_32) {
    for (const Width width : {Width::W32, Width::W64}) {
        if (width == Width::W32 && !in_32) continue;
        FormSpec form;
        form.family = Family::MoveSx;
        form.symbol = "=";
        form.width = width;
        form.source = Source::Reg;
        form.size = byte_of(static_cast<unsigned>(bits) / 8U);
        form.group = width == Width::W32 ? Group::Base32 : Group::Base64;
        form.opcode = byte_of((unsigned{code} << 4U) | kSourceReg | (width == Width::W32 ? kAlu32 : kAlu64));
        form.dst = FieldRule::Writable;
        form.src = FieldRule::Register;
        form.offset = FieldRule::Fixed;
        form.selector = bits;
        form.writes_dst = true;
        form.reads_src = true;
        form.section = "RFC 9669 4.1";
        table.add(form);
    }
}

constexpr void add_byte_order(Table& table, ByteOrderOp op, std::uint8_t code, bool class64, bool source_bit,
                              Names names) {
    for (const int bits : {16, 32, 64}) {
        FormSpec form;
        form.family = Family::ByteOrder;
        form.byte_order = op;
        form.name = names.name;
        form.symbol = names.symbol;
        form.size = byte_of(static_cast<unsigned>(bits) / 8U);
        form.group = bits == 64 ? Group::Base64 : Group::Base32;  // also of bswap: RFC 9669 4.2
        form.opcode =
            byte_of((unsigned{code} << 4U) | (source_bit ? kSourceReg : 0U) | (class64 ? kAlu64 : kAlu32));
        form.dst = FieldRule::Writable;
        form.imm = FieldRule::Fixed;
        form.selector = bits;
        form.reads_dst = true;
        form.writes_dst = true;
        form.section = "RFC 9669 4.2";
        table.add(form);
    }
}

constexpr void add_branch(Table& table, JumpOp op, std::uint8_t code, Names names) {
    for (const Width width : {Width::W32, Width::W64}) {
        for (const Source source : {Source::Imm, Source::Reg}) {
            FormSpec form;
            form.family = Family::Branch;
            form.jump = op;
            form.name = names.name;
            form.symbol = names.symbol;
            form.width = width;
            form.source = source;
            form.group = width == Width::W32 ? Group::Base32 : Group::Base64;
            form.opcode = byte_of((unsigned{code} << 4U) | (source == Source::Reg ? kSourceReg : 0U) |
                                  (width == Width::W32 ? kJmp32 : kJmp64));
            form.dst = FieldRule::Register;
            form.src = source == Source::Reg ? FieldRule::Register : FieldRule::Zero;
            form.imm = source == Source::Imm ? FieldRule::Any : FieldRule::Zero;
            form.offset = FieldRule::JumpTarget;
            form.reads_dst = true;
            form.reads_src = source == Source::Reg;
            form.may_jump = true;
            form.section = "RFC 9669 4.3";
            table.add(form);
        }
    }
}

constexpr void add_wide(Table& table, WideKind kind, const char* name) {
    FormSpec form;
    form.family = Family::LoadImm64;
    form.wide = kind;
    form.name = name;
    form.symbol = "=";
    form.group = Group::Base64;
    form.opcode = byte_of(kLd | kModeImm | unsigned{size_bits(8)});
    form.dst = FieldRule::Writable;
    form.src = FieldRule::Fixed;
    form.selector = static_cast<std::int32_t>(kind);
    form.imm = FieldRule::Any;
    // Only these kinds use the second immediate; VariableAddress: Linux puts the BTF object there.
    const bool has_next_imm = kind == WideKind::Value || kind == WideKind::MapFdValue ||
                              kind == WideKind::MapIndexValue || kind == WideKind::VariableAddress;
    form.next_imm = has_next_imm ? FieldRule::Any : FieldRule::Zero;
    form.slots = 2;
    form.writes_dst = true;
    form.section = "RFC 9669 5.4";
    table.add(form);
}

constexpr void add_memory(Table& table, std::uint8_t bytes) {
    const Group group = bytes == 8 ? Group::Base64 : Group::Base32;
    FormSpec load;
    load.family = Family::Load;
    load.symbol = "=";
    load.size = bytes;
    load.group = group;
    load.opcode = byte_of(kLdx | unsigned{kModeMem} | unsigned{size_bits(bytes)});
    load.dst = FieldRule::Writable;
    load.src = FieldRule::Register;
    load.offset = FieldRule::Any;
    load.memory = Access::Read;
    load.writes_dst = true;
    load.reads_src = true;
    load.section = "RFC 9669 5.1";
    table.add(load);
    if (bytes != 8) {
        FormSpec load_sx = load;
        load_sx.family = Family::LoadSx;
        load_sx.group = Group::Base64;
        load_sx.opcode = byte_of(kLdx | unsigned{kModeMemSx} | unsigned{size_bits(bytes)});
        load_sx.section = "RFC 9669 5.2";
        table.add(load_sx);
    }
    FormSpec store;
    store.symbol = "=";
    store.size = bytes;
    store.group = group;
    store.dst = FieldRule::Register;
    store.offset = FieldRule::Any;
    store.memory = Access::Write;
    store.reads_dst = true;
    store.section = "RFC 9669 5.1";
    store.family = Family::StoreImm;
    store.source = Source::Imm;
    store.imm = FieldRule::Any;
    store.opcode = byte_of(kSt | unsigned{kModeMem} | unsigned{size_bits(bytes)});
    table.add(store);
    store.family = Family::StoreReg;
    store.source = Source::Reg;
    store.imm = FieldRule::Zero;
    store.src = FieldRule::Register;
    store.reads_src = true;
    store.opcode = byte_of(kStx | unsigned{kModeMem} | unsigned{size_bits(bytes)});
    table.add(store);
}

constexpr void add_atomic(Table& table, AtomicOp op, std::int32_t imm, Names names, bool may_omit_fetch) {
    for (const std::uint8_t bytes : {std::uint8_t{4}, std::uint8_t{8}}) {
        for (const bool fetch : {false, true}) {
            if (!fetch && !may_omit_fetch) continue;
            FormSpec form;
            form.family = Family::Atomic;
            form.atomic = op;
            form.name = names.name;
            form.symbol = names.symbol;
            form.size = bytes;
            form.source = Source::Reg;
            form.fetch = fetch;
            form.group = bytes == 4 ? Group::Atomic32 : Group::Atomic64;
            form.opcode = byte_of(kStx | unsigned{kModeAtomic} | unsigned{size_bits(bytes)});
            form.dst = FieldRule::Register;
            form.src = fetch && op != AtomicOp::Cmpxchg ? FieldRule::Writable : FieldRule::Register;
            form.offset = FieldRule::Any;
            form.imm = FieldRule::Fixed;
            form.selector = imm | (fetch ? kFetchBit : 0);
            form.memory = Access::ReadWrite;
            form.reads_dst = true;
            form.reads_src = true;
            form.writes_src = fetch && op != AtomicOp::Cmpxchg;
            form.section = "RFC 9669 5.3";
            table.add(form);
        }
    }
}

constexpr void add_ordered(Table& table, Family family, std::int32_t imm) {
    for (const std::uint8_t bytes : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}}) {
        const bool load = family == Family::LoadAcquire;
        FormSpec form;
        form.family = family;
        form.symbol = load ? "load_acquire" : "store_release";
        form.size = bytes;
        form.source = Source::Reg;
        form.group = Group::Ordered;
        form.opcode = byte_of(kStx | unsigned{kModeAtomic} | unsigned{size_bits(bytes)});
        form.dst = load ? FieldRule::Writable : FieldRule::Register;
        form.src = FieldRule::Register;
        form.offset = FieldRule::Any;
        form.imm = FieldRule::Fixed;
        form.selector = imm;
        form.memory = load ? Access::Read : Access::Write;
        form.reads_dst = !load;
        form.writes_dst = load;
        form.reads_src = true;
        form.section = "linux Documentation/bpf/standardization";
        table.add(form);
    }
}

constexpr void add_packet(Table& table) {
    for (const bool indirect : {false, true}) {
        for (const std::uint8_t bytes : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}}) {
            FormSpec form;
            form.family = indirect ? Family::PacketInd : Family::PacketAbs;
            form.symbol = "=";
            form.size = bytes;
            form.group = Group::Packet;
            form.opcode = byte_of(kLd | (indirect ? unsigned{kModeInd} : unsigned{kModeAbs}) |
                                  unsigned{size_bits(bytes)});
            form.src = indirect ? FieldRule::Register : FieldRule::Zero;
            form.imm = FieldRule::Any;
            form.memory = Access::Read;
            form.reads_src = indirect;
            form.section = "RFC 9669 5.5";
            table.add(form);
        }
    }
}

constexpr FormSpec control(Family family, std::uint8_t opcode, const char* symbol, Group group) {
    FormSpec form;
    form.family = family;
    form.opcode = opcode;
    form.symbol = symbol;
    form.group = group;
    form.section = "RFC 9669 4.3";
    return form;
}

constexpr void add_control(Table& table) {
    FormSpec jump = control(Family::Goto, 0x05, "goto", Group::Base32);
    jump.offset = FieldRule::JumpTarget;
    jump.may_jump = true;
    jump.ends_block = true;
    table.add(jump);
    FormSpec jump_long = control(Family::Goto, 0x06, "gotol", Group::Base32);
    jump_long.width = Width::W32;
    jump_long.imm = FieldRule::JumpTarget;
    jump_long.may_jump = true;
    jump_long.ends_block = true;
    table.add(jump_long);

    FormSpec call = control(Family::CallHelper, 0x85, "call", Group::Base32);
    call.src = FieldRule::Fixed;
    call.imm = FieldRule::Any;
    call.is_call = true;
    table.add(call);
    call.family = Family::CallLocal;
    call.selector = 1;
    call.imm = FieldRule::JumpTarget;
    table.add(call);
    call.family = Family::CallKfunc;
    call.selector = 2;
    call.imm = FieldRule::Any;
    call.offset = FieldRule::Any;
    table.add(call);
    FormSpec call_register = control(Family::CallRegister, 0x8d, "callx", Group::CallRegister);
    call_register.dst = FieldRule::Register;
    call_register.reads_dst = true;
    call_register.is_call = true;
    table.add(call_register);

    FormSpec leave = control(Family::Exit, 0x95, "exit", Group::Base32);
    leave.ends_block = true;
    table.add(leave);
}

constexpr Table make_table() {
    Table table;
    table.forms[0].slots = 0;
    using enum AluGroup;
#define EBPF_ALU(name, code, symbol, group, offset) \
    add_alu(table, AluOp::name, code, {#name, symbol}, group, offset);
#define EBPF_NEGATE(name, code, symbol) add_negate(table, code, {#name, symbol});
#define EBPF_MOVE_SX(code, source_bits, in_32) add_move_sx(table, code, source_bits, in_32);
#define EBPF_BYTE_ORDER(name, code, class64, source_bit, symbol) \
    add_byte_order(table, ByteOrderOp::name, code, class64, source_bit, {#name, symbol});
#define EBPF_JUMP(name, code, symbol) add_branch(table, JumpOp::name, code, {#name, symbol});
#define EBPF_ATOMIC(name, imm, symbol, may_omit_fetch) \
    add_atomic(table, AtomicOp::name, imm, {#name, symbol}, may_omit_fetch);
#define EBPF_ORDERED(family, imm) add_ordered(table, Family::family, imm);
#define EBPF_WIDE(name, src) add_wide(table, WideKind::name, #name);
#include "spec/instructions.def"
#undef EBPF_ALU
#undef EBPF_NEGATE
#undef EBPF_MOVE_SX
#undef EBPF_BYTE_ORDER
#undef EBPF_JUMP
#undef EBPF_ATOMIC
#undef EBPF_ORDERED
#undef EBPF_WIDE
    for (const std::uint8_t bytes : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}}) {
        add_memory(table, bytes);
    }
    add_packet(table);
    add_control(table);
    return table;
}

constexpr Table kTable = make_table();

constexpr FieldRule fixed_field(const FormSpec& form, int field) {
    return field == 0 ? form.offset : field == 1 ? form.imm : form.src;
}

// Two forms with one first byte must differ in the value of a field that both fix.
consteval bool encodings_are_unique() {
    for (std::size_t i = 1; i < kTable.count; ++i) {
        for (std::size_t j = i + 1; j < kTable.count; ++j) {
            const FormSpec& a = kTable.forms[i];
            const FormSpec& b = kTable.forms[j];
            if (a.opcode != b.opcode) continue;
            bool told_apart = false;
            for (int field = 0; field < 3; ++field) {
                if (fixed_field(a, field) == FieldRule::Fixed && fixed_field(b, field) == FieldRule::Fixed &&
                    a.selector != b.selector) {
                    told_apart = true;
                }
            }
            if (!told_apart) return false;
        }
    }
    return true;
}
static_assert(encodings_are_unique());

struct OpcodeIndex {
    std::array<Form, kMaxForms> sorted{};
    std::array<std::uint16_t, 257> start{};
};

constexpr OpcodeIndex make_index() {
    OpcodeIndex index;
    std::uint16_t next = 0;
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        index.start[opcode] = next;
        for (std::size_t i = 1; i < kTable.count; ++i) {
            if (kTable.forms[i].opcode == opcode) index.sorted[next++] = static_cast<Form>(i);
        }
    }
    index.start[256] = next;
    return index;
}

constexpr OpcodeIndex kIndex = make_index();

}  // namespace

std::span<const FormSpec> forms() noexcept {
    return {kTable.forms.data(), kTable.count};
}

const FormSpec& form_spec(Form form) noexcept {
    return kTable.forms[static_cast<std::size_t>(form)];
}

std::span<const Form> forms_of_opcode(std::uint8_t opcode) noexcept {
    const std::size_t begin = kIndex.start[opcode];
    return {kIndex.sorted.data() + begin, kIndex.start[opcode + 1U] - begin};
}

}  // namespace ebpf::spec
