// SPDX-License-Identifier: MIT
// From a row of the instruction table to its handler. The tables here are spelled by instructions.def itself.
#pragma once

#include <bit>

#include "interp/handlers.hpp"

namespace ebpf::interp {

/// A handler in both ways of dispatch.
struct Handler {
    StepHandler step = nullptr;
    ChainHandler chain = nullptr;
};

template <typename T>
constexpr Handler handler_of() {
#if EBPF_INTERP_CHAINED
    return {step<T>, chain<T>};
#else
    return {step<T>, nullptr};
#endif
}

/// Handlers by size in bytes: 1, 2, 4, 8.
struct BySize {
    Handler handlers[4];
    [[nodiscard]] constexpr Handler of(std::uint8_t size) const {
        return handlers[std::countr_zero(static_cast<unsigned>(size))];
    }
};

/// Handlers by width and source: {32,64} x {imm,reg}.
struct ByOperand {
    Handler handlers[2][2];
    [[nodiscard]] constexpr Handler of(const spec::FormSpec& form) const {
        return handlers[form.width == spec::Width::W64][form.source == spec::Source::Reg];
    }
};

template <spec::AluOp op>
constexpr ByOperand alu_handlers() {
    using enum spec::Width;
    using enum spec::Source;
    return {{{handler_of<AluHandler<op, W32, Imm>>(), handler_of<AluHandler<op, W32, Reg>>()},
             {handler_of<AluHandler<op, W64, Imm>>(), handler_of<AluHandler<op, W64, Reg>>()}}};
}

template <spec::JumpOp op>
constexpr ByOperand branch_handlers() {
    using enum spec::Width;
    using enum spec::Source;
    return {{{handler_of<BranchHandler<op, W32, Imm>>(), handler_of<BranchHandler<op, W32, Reg>>()},
             {handler_of<BranchHandler<op, W64, Imm>>(), handler_of<BranchHandler<op, W64, Reg>>()}}};
}

template <spec::ByteOrderOp op>
constexpr BySize byte_order_handlers() {
    return {{{},
             handler_of<ByteOrderHandler<op, 2>>(),
             handler_of<ByteOrderHandler<op, 4>>(),
             handler_of<ByteOrderHandler<op, 8>>()}};
}

template <spec::AtomicOp op, bool fetch>
constexpr BySize atomic_handlers() {
    return {{{}, {}, handler_of<AtomicHandler<op, 4, fetch>>(), handler_of<AtomicHandler<op, 8, fetch>>()}};
}

template <template <std::uint8_t> typename T>
constexpr BySize sized_handlers() {
    return {{handler_of<T<1>>(), handler_of<T<2>>(), handler_of<T<4>>(), handler_of<T<8>>()}};
}

template <std::uint8_t size>
using LoadUnsigned = LoadHandler<size, false>;
template <std::uint8_t size>
using LoadSigned = LoadHandler<size, true>;
template <std::uint8_t size>
using StoreImm = StoreHandler<size, spec::Source::Imm>;
template <std::uint8_t size>
using StoreReg = StoreHandler<size, spec::Source::Reg>;
template <std::uint8_t size>
using PacketAbs = PacketHandler<size, false>;
template <std::uint8_t size>
using PacketInd = PacketHandler<size, true>;

// Indexed by operator: both come from the same rows in the same order.
inline constexpr ByOperand kAluHandlers[] = {
#define EBPF_ALU(name, code, symbol, group, offset) alu_handlers<spec::AluOp::name>(),
#include "spec/instructions.def"
#undef EBPF_ALU
};
inline constexpr ByOperand kBranchHandlers[] = {
#define EBPF_JUMP(name, code, symbol) branch_handlers<spec::JumpOp::name>(),
#include "spec/instructions.def"
#undef EBPF_JUMP
};
inline constexpr BySize kByteOrderHandlers[] = {
#define EBPF_BYTE_ORDER(name, code, class64, source_bit, symbol) \
    byte_order_handlers<spec::ByteOrderOp::name>(),
#include "spec/instructions.def"
#undef EBPF_BYTE_ORDER
};
// [fetch][operator]
inline constexpr BySize kAtomicHandlers[2][6] = {{
#define EBPF_ATOMIC(name, imm, symbol, may_omit_fetch) atomic_handlers<spec::AtomicOp::name, false>(),
#include "spec/instructions.def"
#undef EBPF_ATOMIC
                                                 },
                                                 {
#define EBPF_ATOMIC(name, imm, symbol, may_omit_fetch) atomic_handlers<spec::AtomicOp::name, true>(),
#include "spec/instructions.def"
#undef EBPF_ATOMIC
                                                 }};
inline constexpr BySize kLoadHandlers = sized_handlers<LoadUnsigned>();
inline constexpr BySize kLoadSxHandlers = sized_handlers<LoadSigned>();
inline constexpr BySize kStoreImmHandlers = sized_handlers<StoreImm>();
inline constexpr BySize kStoreRegHandlers = sized_handlers<StoreReg>();
inline constexpr BySize kLoadAcquireHandlers = sized_handlers<LoadAcquireHandler>();
inline constexpr BySize kStoreReleaseHandlers = sized_handlers<StoreReleaseHandler>();
inline constexpr BySize kPacketAbsHandlers = {
    {handler_of<PacketAbs<1>>(), handler_of<PacketAbs<2>>(), handler_of<PacketAbs<4>>(), {}}};
inline constexpr BySize kPacketIndHandlers = {
    {handler_of<PacketInd<1>>(), handler_of<PacketInd<2>>(), handler_of<PacketInd<4>>(), {}}};
inline constexpr Handler kNegateHandlers[2] = {handler_of<NegateHandler<spec::Width::W32>>(),
                                               handler_of<NegateHandler<spec::Width::W64>>()};
inline constexpr BySize kMoveSxHandlers[2] = {{{handler_of<MoveSxHandler<spec::Width::W32, 1>>(),
                                                handler_of<MoveSxHandler<spec::Width::W32, 2>>(),
                                                {},
                                                {}}},
                                              {{handler_of<MoveSxHandler<spec::Width::W64, 1>>(),
                                                handler_of<MoveSxHandler<spec::Width::W64, 2>>(),
                                                handler_of<MoveSxHandler<spec::Width::W64, 4>>(),
                                                {}}}};

template <typename Enum>
constexpr std::size_t row_of(Enum value) {
    return static_cast<std::size_t>(value);
}

/// Returns the handler of `form`; without functions if the interpreter has none (WideTail, CallKfunc,
/// CallRegister). CallHelper: the plain one; a tail call has CallTailHandler.
constexpr Handler select_handler(const spec::FormSpec& form) noexcept {
    using enum spec::Family;
    const bool is_wide = form.width == spec::Width::W64;
    switch (form.family) {
        case Alu:
            return kAluHandlers[row_of(form.alu)].of(form);
        case Negate:
            return kNegateHandlers[is_wide];
        case MoveSx:
            return kMoveSxHandlers[is_wide].of(form.size);
        case ByteOrder:
            return kByteOrderHandlers[row_of(form.byte_order)].of(form.size);
        case LoadImm64:
            return handler_of<LoadImm64Handler>();
        case Load:
            return kLoadHandlers.of(form.size);
        case LoadSx:
            return kLoadSxHandlers.of(form.size);
        case spec::Family::StoreImm:
            return kStoreImmHandlers.of(form.size);
        case spec::Family::StoreReg:
            return kStoreRegHandlers.of(form.size);
        case Atomic:
            return kAtomicHandlers[form.fetch][row_of(form.atomic)].of(form.size);
        case LoadAcquire:
            return kLoadAcquireHandlers.of(form.size);
        case StoreRelease:
            return kStoreReleaseHandlers.of(form.size);
        case spec::Family::PacketAbs:
            return kPacketAbsHandlers.of(form.size);
        case spec::Family::PacketInd:
            return kPacketIndHandlers.of(form.size);
        case Goto:
            return is_wide ? handler_of<GotoHandler>() : handler_of<GotoLongHandler>();
        case Branch:
            return kBranchHandlers[row_of(form.jump)].of(form);
        case CallHelper:
            return handler_of<CallHelperHandler>();
        case CallLocal:
            return handler_of<CallLocalHandler>();
        case Exit:
            return handler_of<ExitHandler>();
        case WideTail:
        case CallKfunc:
        case CallRegister:
            break;
    }
    return {};
}

}  // namespace ebpf::interp
