// SPDX-License-Identifier: MIT
#include "lower/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/try.hpp"
#include "isa/encode.hpp"
#include "spec/helpers.hpp"

namespace ebpf::lower {
namespace {

constexpr std::uint8_t kAddressBytes = 8;

bool is_load(spec::Family family) {
    return family == spec::Family::Load || family == spec::Family::LoadSx;
}

bool is_store(spec::Family family) {
    return family == spec::Family::StoreImm || family == spec::Family::StoreReg;
}

// Returns why `form` at `offset` cannot be an access to `field`, or nullptr.
const char* misfit(const spec::FormSpec& form, std::int16_t offset, const spec::ContextField& field) {
    const bool is_whole = offset == static_cast<std::int64_t>(field.offset) && form.size == field.size;
    if (!spec::is_number(field.meaning)) {
        if (form.family != spec::Family::Load || !is_whole)
            return "the field is an address, which is loaded whole";
        return field.host_size == kAddressBytes ? nullptr : "the host keeps no address in the field";
    }
    if (field.host_size > field.size) return "the host keeps more than the field holds";
    if (is_load(form.family)) return nullptr;
    if (!is_store(form.family)) return "only plain loads and stores can be rewritten";
    if (field.permission != spec::FieldPermission::ReadWrite) return "the field is read-only";
    return is_whole ? nullptr : "the field is stored whole";
}

Result<isa::Instruction> make(const spec::FormSpec& wanted, std::int64_t imm) {
    const auto form = isa::find_form(wanted);
    if (!form) return fail(Status::Internal, "the instruction table has no such form");
    isa::Instruction instruction;
    instruction.form = *form;
    const spec::FormSpec& row = instruction.spec();
    if (row.src == spec::FieldRule::Fixed) instruction.src = static_cast<std::uint8_t>(row.selector);
    instruction.imm = imm;
    return instruction;
}

/// A load of bytes that the host does not keep: they are 0.
Result<isa::Instruction> zero_of(const isa::Instruction& load) {
    EBPF_TRY(auto zero,
             make({.family = spec::Family::Alu, .alu = spec::AluOp::Mov, .source = spec::Source::Imm}, 0));
    zero.dst = load.dst;
    return zero;
}

Result<isa::Instruction> rewrite(const isa::Instruction& instruction, const spec::ProgramTypeSpec& type,
                                 const spec::Catalogue& catalogue) {
    const spec::FormSpec& form = instruction.spec();
    if (!is_load(form.family) && !is_store(form.family)) {
        return fail(Status::Internal, fmt::format("'{}' is no plain load or store", form.symbol));
    }
    const spec::ContextField* field = catalogue.find_field(type, instruction.offset, form.size);
    if (field == nullptr) {
        return fail(Status::Internal,
                    fmt::format("{} bytes at context offset {} are no field of {}", form.size,
                                instruction.offset, catalogue.context_of(type).name));
    }
    if (const char* reason = misfit(form, instruction.offset, *field); reason != nullptr) {
        return fail(Status::Internal, fmt::format("{} bytes at context offset {} (field {}): {}", form.size,
                                                  instruction.offset, field->name, reason));
    }
    const std::int64_t within = std::int64_t{instruction.offset} - field->offset;
    const std::int64_t host_offset = std::int64_t{field->host_offset} + within;
    if (host_offset > std::numeric_limits<std::int16_t>::max()) {
        return fail(Status::Internal,
                    fmt::format("host offset {} of field {} does not fit", host_offset, field->name));
    }
    if (within >= field->host_size) return zero_of(instruction);
    isa::Instruction result = instruction;
    result.offset = static_cast<std::int16_t>(host_offset);
    // What the host does not keep of a number is 0, the sign too; stores drop it.
    const bool is_cut = within + form.size > field->host_size;
    if (spec::is_number(field->meaning) && !is_cut) return result;
    const auto size = spec::is_number(field->meaning) ? field->host_size : kAddressBytes;
    const auto resized = isa::find_form({.family = is_store(form.family) ? form.family : spec::Family::Load,
                                         .size = static_cast<std::uint8_t>(size)});
    if (!resized)
        return fail(Status::Internal, fmt::format("the instruction table has no {}-byte access", size));
    result.form = *resized;
    return result;
}

Result<isa::Instruction> direct_call(const isa::Code& code, const verifier::CallTarget& call) {
    if (call.slot >= code.size() || code[call.slot].spec().family != spec::Family::CallRegister) {
        return fail(Status::Internal, fmt::format("instruction {} is no call through a register", call.slot));
    }
    if (call.is_helper) return make({.family = spec::Family::CallHelper}, call.target);
    if (call.target >= code.size() || code[call.target].spec().family == spec::Family::WideTail) {
        return fail(Status::Internal, fmt::format("instruction {} calls instruction {}, which does not exist",
                                                  call.slot, call.target));
    }
    return make({.family = spec::Family::CallLocal}, std::int64_t{call.target} - call.slot - 1);
}

bool calls_back(const isa::Code& code) {
    for (const isa::Instruction& instruction : code) {
        if (instruction.spec().family != spec::Family::CallHelper) continue;
        const spec::HelperSpec* helper = spec::find_helper(static_cast<std::uint32_t>(instruction.imm));
        if (helper != nullptr && helper->effects.calls_back != spec::CallbackKind::None) return true;
    }
    return false;
}

// Calls that no path reaches have no target; as they are never made, any instruction that goes on will do.
Result<void> resolve_calls(isa::Code& code, std::span<const verifier::CallTarget> calls) {
    EBPF_TRY(const auto number, make({.family = spec::Family::LoadImm64, .wide = spec::WideKind::Value}, 0));
    EBPF_TRY(const auto nothing,
             make({.family = spec::Family::Alu, .alu = spec::AluOp::Mov, .source = spec::Source::Imm}, 0));
    for (const verifier::CallTarget& call : calls) EBPF_TRY_VOID(direct_call(code, call));
    for (const verifier::CallTarget& call : calls) {
        if (const auto direct = direct_call(code, call)) code[call.slot] = *direct;
    }
    const bool needs_addresses = calls_back(code);
    for (std::size_t slot = 0; slot < code.size(); ++slot) {
        isa::Instruction& instruction = code[slot];
        if (instruction.spec().family == spec::Family::CallRegister) instruction = nothing;
        if (needs_addresses || !isa::takes_code_address(instruction)) continue;
        const std::uint8_t dst = instruction.dst;
        const std::int64_t target = isa::code_address_target(instruction, static_cast<std::int64_t>(slot));
        instruction = number;
        instruction.dst = dst;
        instruction.imm = target;  // never 0: the verifier refuses the address of the program itself
    }
    return {};
}

ir::Region region_of(verifier::AccessKind kind) {
    switch (kind) {
        case verifier::AccessKind::None:
            return ir::Region::Unknown;
        case verifier::AccessKind::Context:
            return ir::Region::Context;
        case verifier::AccessKind::Packet:
            return ir::Region::Packet;
        case verifier::AccessKind::Stack:
            return ir::Region::Frame;
        case verifier::AccessKind::MapValue:
            return ir::Region::MapValue;
        case verifier::AccessKind::Memory:
            return ir::Region::Memory;
    }
    return ir::Region::Unknown;
}

}  // namespace

Result<void> lower(isa::Code& code, spec::ProgramType type, std::span<const verifier::AccessKind> accesses,
                   const spec::Catalogue& catalogue) {
    const spec::ProgramTypeSpec* row = catalogue.find_program_type(static_cast<std::uint32_t>(type));
    if (row == nullptr) {
        return fail(Status::Internal,
                    fmt::format("program type {} is unknown", static_cast<std::uint32_t>(type)));
    }
    if (accesses.size() != code.size()) {
        return fail(Status::Internal,
                    fmt::format("{} access kinds for {} instructions", accesses.size(), code.size()));
    }
    // The first pass only checks, so that a failure leaves the code as it was.
    for (const bool stores : {false, true}) {
        for (std::size_t slot = 0; slot < code.size(); ++slot) {
            if (accesses[slot] != verifier::AccessKind::Context) continue;
            auto rewritten = rewrite(code[slot], *row, catalogue);
            if (!rewritten)
                return std::unexpected(std::move(rewritten).error().in(fmt::format("instruction {}", slot)));
            if (stores) code[slot] = *rewritten;
        }
    }
    return {};
}

Result<void> lower(isa::Code& code, spec::ProgramType type, const verifier::Report& report,
                   const spec::Catalogue& catalogue) {
    isa::Code direct;
    if (!direct.reserve(code.size())) return fail(Status::OutOfMemory, "copying the code");
    for (const isa::Instruction& instruction : code) {
        if (!direct.push_back(instruction)) return fail(Status::OutOfMemory, "copying the code");
    }
    EBPF_TRY_VOID(resolve_calls(direct, report.calls));
    EBPF_TRY_VOID(lower(direct, type, report.accesses, catalogue));
    code = std::move(direct);
    return {};
}

std::vector<ir::Region> regions_of(std::span<const verifier::AccessKind> accesses) {
    std::vector<ir::Region> regions(accesses.size());
    std::ranges::transform(accesses, regions.begin(), region_of);
    return regions;
}

}  // namespace ebpf::lower
