// SPDX-License-Identifier: MIT
#include "service/program_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/try.hpp"
#include "helpers/helpers.hpp"
#include "spec/catalogue.hpp"

namespace ebpf::service {
namespace {

using spec::ArgKind;
using spec::FieldMeaning;

Result<FieldMeaning> meaning_of(const ebpf_context_field& field) {
    switch (field.kind) {
        case EBPF_FIELD_KIND_NUMBER:
            return FieldMeaning::Plain;
        case EBPF_FIELD_KIND_DATA:
            return FieldMeaning::PacketStart;
        case EBPF_FIELD_KIND_DATA_END:
            return FieldMeaning::PacketEnd;
        default:
            return fail(Status::InvalidArgument,
                        fmt::format("field '{}': kind {} is unknown", field.name, field.kind));
    }
}

Result<ArgKind> argument_of(const ebpf_helper& helper, std::size_t index) {
    switch (helper.arguments[index]) {
        case EBPF_ARGUMENT_NONE:
            return ArgKind::None;
        case EBPF_ARGUMENT_NUMBER:
            return ArgKind::Scalar;
        case EBPF_ARGUMENT_CONTEXT:
            return ArgKind::Context;
        case EBPF_ARGUMENT_READ_MEMORY:
            return ArgKind::ReadMemory;
        case EBPF_ARGUMENT_WRITE_MEMORY:
            return ArgKind::WriteMemory;
        case EBPF_ARGUMENT_SIZE:
            return ArgKind::Size;
        case EBPF_ARGUMENT_SIZE_NON_ZERO:
            return ArgKind::SizeNonZero;
        default:
            return fail(Status::InvalidArgument,
                        fmt::format("helper '{}': argument {} has the unknown kind {}", helper.name,
                                    index + 1, helper.arguments[index]));
    }
}

std::string text_of(const char* text) {
    return text == nullptr ? std::string() : std::string(text);
}

Result<verifier::FieldInfo> read_field(const ebpf_context_field& field, bool& may_write_packet) {
    if (field.name == nullptr) return fail(Status::InvalidArgument, "a field has no name");
    EBPF_TRY(const FieldMeaning meaning, meaning_of(field));
    if ((field.flags & ~EBPF_FIELD_WRITABLE) != 0)
        return fail(Status::InvalidArgument,
                    fmt::format("field '{}': flags {:#x} are unknown", field.name, field.flags));
    const bool is_writable = field.flags != 0;
    verifier::FieldInfo info{.name = field.name,
                             .offset = field.offset,
                             .size = field.size,
                             .permission = spec::FieldPermission::Read,
                             .meaning = meaning};
    if (meaning == FieldMeaning::PacketStart) {
        may_write_packet = is_writable;
    } else if (is_writable) {
        info.permission = spec::FieldPermission::ReadWrite;
    }
    return info;
}

Result<verifier::HelperInfo> read_helper(const ebpf_helper& helper) {
    if (helper.name == nullptr)
        return fail(Status::InvalidArgument, fmt::format("helper {:#x} has no name", helper.id));
    if (helper.function == nullptr)
        return fail(Status::InvalidArgument, fmt::format("helper '{}' has no function", helper.name));
    if ((helper.flags & ~EBPF_HELPER_MOVES_DATA) != 0)
        return fail(Status::InvalidArgument,
                    fmt::format("helper '{}': flags {:#x} are unknown", helper.name, helper.flags));
    verifier::HelperInfo info;
    info.id = helper.id;
    info.name = helper.name;
    info.moves_packet = helper.flags != 0;
    for (std::size_t i = 0; i < info.arguments.size(); ++i) {
        EBPF_TRY(info.arguments[i], argument_of(helper, i));
    }
    return info;
}

Result<void> check_sizes(const ebpf_program_type& type) {
    if (type.version != EBPF_PROGRAM_TYPE_ABI_VERSION || type.size != sizeof(ebpf_program_type) ||
        type.field_size != sizeof(ebpf_context_field) || type.helper_size != sizeof(ebpf_helper)) {
        return fail(
            Status::VersionMismatch,
            fmt::format("a program type of version {} with {}, {} and {} bytes, expected are {} with {}, "
                        "{} and {}",
                        type.version, type.size, type.field_size, type.helper_size,
                        EBPF_PROGRAM_TYPE_ABI_VERSION, sizeof(ebpf_program_type), sizeof(ebpf_context_field),
                        sizeof(ebpf_helper)));
    }
    const bool is_complete = (type.fields != nullptr || type.field_count == 0) &&
                             (type.helpers != nullptr || type.helper_count == 0);
    if (!is_complete || type.reserved != 0)
        return fail(Status::InvalidArgument,
                    "fields or helpers are counted and missing, or `reserved` is set");
    if (type.field_count > spec::kMaxRegisteredFields || type.helper_count > spec::kMaxRegisteredHelpers) {
        return fail(Status::TooBig,
                    fmt::format("{} fields and {} helpers, at most {} and {} are possible", type.field_count,
                                type.helper_count, spec::kMaxRegisteredFields, spec::kMaxRegisteredHelpers));
    }
    return {};
}

/// What an engine calls: a HelperFunction by its ABI.
engine::HelperFunction callable(ebpf_helper_function function) {
    return reinterpret_cast<engine::HelperFunction>(reinterpret_cast<std::uintptr_t>(function));
}

constexpr std::size_t kMaxSectionBytes = 63;

/// Names with a slash in them, "service/hook", are fine.
bool is_section_name(std::string_view name) {
    const auto is_part = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '/';
    };
    return !name.empty() && name.size() <= kMaxSectionBytes && name.front() != '/' &&
           std::ranges::all_of(name, is_part);
}

}  // namespace

Result<verifier::RegisteredTypeInfo> read_program_type(const ebpf_program_type& type) {
    EBPF_TRY_VOID(check_sizes(type));
    verifier::RegisteredTypeInfo info;
    info.name = text_of(type.name);
    info.context = text_of(type.context_name);
    info.context_bytes = type.context_bytes;
    info.return_min = type.return_min;
    info.return_max = type.return_max;
    for (const ebpf_context_field& field : std::span(type.fields, type.field_count)) {
        EBPF_TRY(auto read, read_field(field, info.may_write_packet));
        info.fields.push_back(std::move(read));
    }
    for (const ebpf_helper& helper : std::span(type.helpers, type.helper_count)) {
        EBPF_TRY(auto read, read_helper(helper));
        info.helpers.push_back(std::move(read));
    }
    if (std::string fault = verifier::fault_of(info); !fault.empty())
        return fail(Status::InvalidArgument, std::move(fault));
    return info;
}

Result<const ProgramType*> ProgramTypes::add(const ebpf_program_type& type, runtime::Context& context) {
    ProgramType made;
    EBPF_TRY(made.info, read_program_type(type));
    const std::string section = type.section == nullptr ? made.info.name : std::string(type.section);
    if (!is_section_name(section))
        return fail(Status::InvalidArgument,
                    fmt::format("'{}' cannot be a section name of programs", section));
    made.section = section + "+";
    const auto builtin = helpers::bindings();
    made.helpers.assign(builtin.begin(), builtin.end());
    for (const ebpf_helper& helper : std::span(type.helpers, type.helper_count))
        made.helpers.push_back(
            {.id = helper.id, .function = callable(helper.function), .is_tail_call = false});

    const std::lock_guard guard(mutex_);
    for (const ProgramType& other : types_) {
        if (other.info.name == made.info.name)
            return fail(Status::AlreadyExists,
                        fmt::format("program type '{}' exists already", made.info.name));
        const spec::SectionSpec mine{.pattern = made.section.c_str(), .type = {}, .attach_type = 0};
        const spec::SectionSpec theirs{.pattern = other.section.c_str(), .type = {}, .attach_type = 0};
        const std::string_view their_name =
            std::string_view(other.section).substr(0, other.section.size() - 1);
        if (spec::find_section(section, {&theirs, 1}) != nullptr ||
            spec::find_section(their_name, {&mine, 1}) != nullptr)
            return fail(Status::AlreadyExists,
                        fmt::format("section '{}' is that of program type '{}'", section, other.info.name));
    }
    if (spec::find_section(section) != nullptr)
        return fail(Status::InvalidArgument,
                    fmt::format("section '{}' is that of a built-in program type", section));
    const auto number = context.add_program_type();
    if (!number) return fail(number.error(), fmt::format("program type '{}'", made.info.name));
    made.number = *number;
    types_.push_back(std::move(made));
    return &types_.back();
}

const ProgramType* ProgramTypes::find(std::uint32_t number) const {
    const std::lock_guard guard(mutex_);
    for (const ProgramType& type : types_) {
        if (number == static_cast<std::uint32_t>(type.number)) return &type;
    }
    return nullptr;
}

std::vector<spec::SectionSpec> ProgramTypes::sections() const {
    const std::lock_guard guard(mutex_);
    std::vector<spec::SectionSpec> rows;
    for (const ProgramType& type : types_)
        rows.push_back({.pattern = type.section.c_str(), .type = type.number, .attach_type = 0});
    return rows;
}

}  // namespace ebpf::service
