// SPDX-License-Identifier: MIT
// Forms of the instruction set, expanded at compile time from instructions.def. Constant data only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ebpf::spec {

/// What an instruction is, apart from operator, width and source. Consumers switch over this, never over
/// bytes.
enum class Family : std::uint8_t {
    WideTail,      ///< not an instruction: the second slot of LoadImm64
    Alu,           ///< dst = dst op source; Mov: dst = source
    Negate,        ///< dst = -dst
    MoveSx,        ///< dst = sign extension of the low `size` bytes of src
    ByteOrder,     ///< dst = swap of the low `size` bytes of dst, zero-extended
    LoadImm64,     ///< dst = 64-bit immediate or address; takes two slots
    Load,          ///< dst = *(u<size>*)(src + offset), zero-extended
    LoadSx,        ///< dst = *(s<size>*)(src + offset), sign-extended to 64 bits
    StoreImm,      ///< *(u<size>*)(dst + offset) = imm
    StoreReg,      ///< *(u<size>*)(dst + offset) = src
    Atomic,        ///< read-modify-write of *(u<size>*)(dst + offset) with src, see AtomicOp and `fetch`
    LoadAcquire,   ///< dst = load-acquire *(u<size>*)(src + offset)
    StoreRelease,  ///< store-release *(u<size>*)(dst + offset) = src
    PacketAbs,     ///< r0 = big-endian packet bytes at imm (deprecated packet group)
    PacketInd,     ///< r0 = big-endian packet bytes at src + imm (deprecated packet group)
    Goto,          ///< pc += offset (the 32-bit form: pc += imm); both relative to the next slot
    Branch,        ///< if (dst op source) pc += offset
    CallHelper,    ///< call helper number imm
    CallLocal,     ///< call subprogram at pc + imm
    CallKfunc,     ///< call function by BTF id imm
    CallRegister,  ///< call the code address in dst
    Exit,          ///< return from subprogram or program
};

enum class AluOp : std::uint8_t {
#define EBPF_ALU(name, code, symbol, group, offset) name,
#include "spec/instructions.def"
#undef EBPF_ALU
};

enum class JumpOp : std::uint8_t {
#define EBPF_JUMP(name, code, symbol) name,
#include "spec/instructions.def"
#undef EBPF_JUMP
};

enum class AtomicOp : std::uint8_t {
#define EBPF_ATOMIC(name, imm, symbol, may_omit_fetch) name,
#include "spec/instructions.def"
#undef EBPF_ATOMIC
};

enum class ByteOrderOp : std::uint8_t {
#define EBPF_BYTE_ORDER(name, code, class64, source_bit, symbol) name,
#include "spec/instructions.def"
#undef EBPF_BYTE_ORDER
};

/// Meaning of a two-slot immediate; the number is the src field (BPF_PSEUDO_* of Linux).
enum class WideKind : std::uint8_t {
#define EBPF_WIDE(name, src) name = src,
#include "spec/instructions.def"
#undef EBPF_WIDE
};

enum class Width : std::uint8_t { W32, W64 };
enum class Source : std::uint8_t { None, Imm, Reg };

/// Conformance groups of RFC 9669 section 2.4, and Linux's additions, as bits of a GroupSet.
enum class Group : std::uint16_t {
    Base32 = 1U << 0U,
    Base64 = 1U << 1U,
    Atomic32 = 1U << 2U,
    Atomic64 = 1U << 3U,
    DivMul32 = 1U << 4U,
    DivMul64 = 1U << 5U,
    Packet = 1U << 6U,
    Ordered = 1U << 7U,       ///< load-acquire and store-release
    CallRegister = 1U << 8U,  ///< callx
};

/// A set of conformance groups. An instruction outside the set of a decode does not decode.
struct GroupSet {
    std::uint16_t bits = 0;
    [[nodiscard]] constexpr bool has(Group group) const {
        return (bits & static_cast<std::uint16_t>(group)) != 0;
    }
    [[nodiscard]] constexpr GroupSet with(Group group) const {
        return {static_cast<std::uint16_t>(bits | static_cast<std::uint16_t>(group))};
    }
    [[nodiscard]] constexpr GroupSet without(Group group) const {
        return {static_cast<std::uint16_t>(bits & ~static_cast<std::uint16_t>(group))};
    }
};

/// Every group of the table.
inline constexpr GroupSet kAllGroups{0x1ff};

/// What a field of the encoding may hold.
enum class FieldRule : std::uint8_t {
    Zero,        ///< must be 0
    Fixed,       ///< must be the form's selector value (decode has matched it)
    Register,    ///< r0..r10 (register fields)
    Writable,    ///< r0..r9 (register fields)
    Any,         ///< any value
    JumpTarget,  ///< slots relative to the next slot; the target must be inside the program
};

enum class Access : std::uint8_t { None, Read, Write, ReadWrite };

/// One form: an operator with width and source. All that any consumer would otherwise switch on.
struct FormSpec {
    Family family = Family::WideTail;
    std::uint8_t opcode = 0;                         ///< first byte of the encoding
    AluOp alu = AluOp::Add;                          ///< Alu
    JumpOp jump = JumpOp::Eq;                        ///< Branch
    AtomicOp atomic = AtomicOp::Add;                 ///< Atomic
    ByteOrderOp byte_order = ByteOrderOp::ToLittle;  ///< ByteOrder
    WideKind wide = WideKind::Value;                 ///< LoadImm64
    Width width =
        Width::W64;  ///< operation width of Alu, Negate, MoveSx, Branch, Goto (W32: imm holds the distance)
    Source source = Source::None;  ///< second operand of Alu, Branch, stores
    std::uint8_t size = 0;         ///< bytes accessed, moved or swapped: 1, 2, 4, 8; else 0
    bool fetch = false;            ///< Atomic: old value goes to src (Cmpxchg: to r0)
    Group group = Group::Base32;
    FieldRule dst = FieldRule::Zero;
    FieldRule src = FieldRule::Zero;
    FieldRule offset = FieldRule::Zero;
    FieldRule imm = FieldRule::Zero;
    FieldRule next_imm = FieldRule::Zero;  ///< LoadImm64: the second slot's imm
    std::int32_t selector = 0;             ///< the value of the field whose rule is Fixed
    const char* name =
        "";  ///< operator as its row names it (Alu, Negate, Branch, Atomic, ByteOrder, LoadImm64)
    const char* symbol = "";       ///< operator as the disassembler writes it
    const char* section = "";      ///< where it is specified
    Access memory = Access::None;  ///< direction of the memory access
    std::uint8_t slots = 1;
    bool reads_dst = false;
    bool writes_dst = false;
    bool reads_src = false;
    bool writes_src = false;
    bool may_jump = false;    ///< has a target besides or instead of the next instruction
    bool ends_block = false;  ///< the next instruction is not reached by falling through
    bool is_call = false;
};

/// Dense index into forms(). Value 0 is WideTail.
enum class Form : std::uint16_t {};

/// Returns all forms; index = Form. Threads: any.
std::span<const FormSpec> forms() noexcept;

/// Returns the row of `form`.
const FormSpec& form_spec(Form form) noexcept;

/// Returns the forms whose first byte is `opcode`, to be told apart by their Fixed field; empty if none.
std::span<const Form> forms_of_opcode(std::uint8_t opcode) noexcept;

inline constexpr std::uint8_t kRegisterCount = 11;  ///< r0..r10
inline constexpr std::uint8_t kFramePointer = 10;   ///< r10, read-only
inline constexpr std::size_t kSlotBytes = 8;        ///< one encoding unit
inline constexpr std::uint32_t kStackBytes = 512;   ///< stack of a frame, and of a whole call chain
inline constexpr std::uint32_t kMaxCallFrames = 8;  ///< frames of bpf-to-bpf calls, main program included
inline constexpr std::uint32_t kMaxTailCalls = 33;  ///< tail calls of one invocation

}  // namespace ebpf::spec
