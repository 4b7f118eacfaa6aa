// SPDX-License-Identifier: MIT
#include "lower/lower.hpp"

#include <fmt/format.h>

#include <limits>

#include "base/try.hpp"
#include "isa/encode.hpp"

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
    if (field.meaning != spec::FieldMeaning::Plain) {
        if (form.family != spec::Family::Load || !is_whole)
            return "the field is an address, which is loaded whole";
        return field.host_size == kAddressBytes ? nullptr : "the host keeps no address in the field";
    }
    if (field.host_size != field.size) return "the host keeps the field in another size";
    if (is_load(form.family)) return nullptr;
    if (!is_store(form.family)) return "only plain loads and stores can be rewritten";
    if (field.permission != spec::FieldPermission::ReadWrite) return "the field is read-only";
    return is_whole ? nullptr : "the field is stored whole";
}

Result<isa::Instruction> rewrite(const isa::Instruction& instruction, spec::ContextId context) {
    const spec::FormSpec& form = instruction.spec();
    if (!is_load(form.family) && !is_store(form.family)) {
        return fail(Status::Internal, fmt::format("'{}' is no plain load or store", form.symbol));
    }
    const spec::ContextField* field = spec::find_context_field(context, instruction.offset, form.size);
    if (field == nullptr) {
        return fail(Status::Internal,
                    fmt::format("{} bytes at context offset {} are no field of {}", form.size,
                                instruction.offset, spec::context_spec(context).name));
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
    isa::Instruction result = instruction;
    result.offset = static_cast<std::int16_t>(host_offset);
    if (field->meaning == spec::FieldMeaning::Plain) return result;
    const auto wide = isa::find_form({.family = spec::Family::Load, .size = kAddressBytes});
    if (!wide) return fail(Status::Internal, "the instruction table has no 8-byte load");
    result.form = *wide;
    return result;
}

}  // namespace

Result<void> lower(isa::Code& code, spec::ProgramType type, std::span<const verifier::AccessKind> accesses) {
    const spec::ProgramTypeSpec* row = spec::find_program_type(static_cast<std::uint32_t>(type));
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
            auto rewritten = rewrite(code[slot], row->context);
            if (!rewritten)
                return std::unexpected(std::move(rewritten).error().in(fmt::format("instruction {}", slot)));
            if (stores) code[slot] = *rewritten;
        }
    }
    return {};
}

}  // namespace ebpf::lower
