// SPDX-License-Identifier: MIT
#include "verifier/describe.hpp"

#include <fmt/format.h>

namespace ebpf::verifier {
namespace {

using check::Kind;
using check::Value;

std::string map_name(std::uint32_t map, const Request* request) {
    if (request == nullptr || map >= request->maps.size()) return fmt::format("map {}", map);
    return fmt::format("map '{}'", request->maps[map].name);
}

std::string function_name(std::uint32_t slot, const Request* request) {
    if (request != nullptr) {
        for (const Subprogram& subprogram : request->subprograms) {
            if (subprogram.slot == slot) return fmt::format("'{}'", subprogram.name);
        }
    }
    return fmt::format("at instruction {}", slot);
}

std::string at_offset(const Value& value) {
    if (value.number.is_constant()) {
        const std::int64_t offset = value.offset + static_cast<std::int64_t>(value.number.value());
        return offset == 0 ? std::string{} : fmt::format(" at offset {}", offset);
    }
    if (value.offset == 0) return fmt::format(" at an offset that is {}", describe_number(value.number));
    return fmt::format(" at offset {} plus {}", value.offset, describe_number(value.number));
}

}  // namespace

std::string describe_number(const domains::Scalar& number) {
    if (number.is_constant()) return fmt::format("{}", static_cast<std::int64_t>(number.value()));
    if (number.is_unknown()) return "an unknown number";
    const bool is_signed = number.smin() < 0;
    std::string text = is_signed ? fmt::format("a number in {}..{}", number.smin(), number.smax())
                                 : fmt::format("a number in {}..{}", number.umin(), number.umax());
    const std::uint64_t possible = number.bits().mask | number.bits().value;
    // Bits that the range leaves open but that are known to be 0, such as those below an alignment.
    if (!is_signed && number.umax() != 0) {
        const std::uint64_t within =
            ~std::uint64_t{0} >> static_cast<unsigned>(__builtin_clzll(number.umax()));
        if ((possible & within) != within) text += fmt::format(" with bits in {:#x}", possible);
    }
    return text;
}

std::string describe_value(const Value& value, const Request* request) {
    switch (value.kind) {
        case Kind::Unusable:
            return "not initialised";
        case Kind::Scalar:
            return describe_number(value.number);
        case Kind::Context:
            return "the context" + at_offset(value);
        case Kind::Stack:
            return fmt::format("a pointer to the stack{}", at_offset(value));
        case Kind::Packet:
            return "a packet pointer" + at_offset(value);
        case Kind::PacketMeta:
            return "a pointer to the packet's metadata" + at_offset(value);
        case Kind::PacketEnd:
            return "the packet's end";
        case Kind::Map:
            return map_name(value.map, request);
        case Kind::MapValue:
            return fmt::format("a pointer to a value of {}{}", map_name(value.map, request),
                               at_offset(value));
        case Kind::MapValueOrNull:
            return fmt::format("a pointer to a value of {}, or null", map_name(value.map, request));
        case Kind::Memory:
            return "a pointer to the program's memory" + at_offset(value);
        case Kind::MapKey:
            return fmt::format("a pointer to a key of {}{}", map_name(value.map, request), at_offset(value));
        case Kind::Code:
            return fmt::format("the address of the function {}", function_name(value.map, request));
        case Kind::Record:
            return fmt::format("a pointer to a reserved record of {} bytes{}", value.map, at_offset(value));
        case Kind::RecordOrNull:
            return fmt::format("a pointer to a reserved record of {} bytes, or null", value.map);
    }
    return "unknown";
}

std::string describe_state(const check::State& state, const Request* request) {
    std::string text;
    for (std::size_t reg = 0; reg < state.registers.size(); ++reg) {
        const Value& value = state.registers[reg];
        if (value.kind == Kind::Unusable) continue;
        text += fmt::format("{}r{}={}", text.empty() ? "" : "; ", reg, describe_value(value, request));
        if (value.id != 0) text += fmt::format(" (id {})", value.id);
    }
    for (std::size_t i = 0; i < state.frames.size(); ++i) {
        for (const check::StackCell& cell : state.frames[i].cells) {
            text +=
                fmt::format("; stack{} {}..{}: {}", i == 0 ? std::string{} : fmt::format(" of frame {}", i),
                            std::int64_t{cell.first} - spec::kStackBytes,
                            std::int64_t{cell.first} - spec::kStackBytes + cell.size - 1,
                            describe_value(cell.value, request));
        }
    }
    for (const check::Reference& reference : state.references)
        text += fmt::format("; holds what instruction {} reserved (id {})", reference.slot, reference.id);
    for (const check::PacketFact& fact : state.facts) {
        text += fmt::format("; {} bytes proven behind {}{}", fact.bytes,
                            fact.kind == Kind::Packet ? "the packet's start" : "the metadata's start",
                            fact.id == 0 ? std::string{} : fmt::format(" plus the number of id {}", fact.id));
    }
    return text;
}

}  // namespace ebpf::verifier
