// SPDX-License-Identifier: MIT
#include "service/program_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/try.hpp"
#include "helpers/helpers.hpp"
#include "spec/catalogue.hpp"
#include "spec/operations.hpp"

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
    if (!is_complete) return fail(Status::InvalidArgument, "fields or helpers are counted and missing");
    if ((type.flags & ~EBPF_PROGRAM_TYPE_TEST_RUNS) != 0)
        return fail(Status::InvalidArgument,
                    fmt::format("flags {:#x} of the program type are unknown", type.flags));
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

constexpr std::size_t kMaxLabelBytes = 63;

/// Whether both are one type, for programs that were verified against one of them and call its helpers.
bool are_same(const ProgramType& one, const ProgramType& other) {
    const auto is_same_helper = [](const engine::HelperBinding& a, const engine::HelperBinding& b) {
        return a.id == b.id && a.function == b.function;
    };
    return one.info == other.info && one.section == other.section &&
           one.has_test_runs == other.has_test_runs &&
           std::ranges::equal(one.helpers, other.helpers, is_same_helper);
}

bool selects(const std::string& pattern, std::string_view section) {
    const spec::SectionSpec row{.pattern = pattern.c_str(), .type = {}, .attach_type = 0};
    return spec::find_section(section, {&row, 1}) != nullptr;
}

/// The section name that a pattern "name+" is made of.
std::string_view base_of(const std::string& pattern) {
    return std::string_view(pattern).substr(0, pattern.size() - 1);
}

Result<ProgramType> read_whole(const ebpf_program_type& type, std::shared_ptr<void> library) {
    ProgramType made;
    EBPF_TRY(made.info, read_program_type(type));
    const std::string section = type.section == nullptr ? made.info.name : std::string(type.section);
    if (!is_name(section))
        return fail(Status::InvalidArgument,
                    fmt::format("'{}' cannot be a section name of programs", section));
    if (spec::find_section(section) != nullptr)
        return fail(Status::InvalidArgument,
                    fmt::format("section '{}' is that of a built-in program type", section));
    made.section = section + "+";
    made.has_test_runs = (type.flags & EBPF_PROGRAM_TYPE_TEST_RUNS) != 0;
    const auto builtin = helpers::bindings();
    made.helpers.assign(builtin.begin(), builtin.end());
    for (const ebpf_helper& helper : std::span(type.helpers, type.helper_count))
        made.helpers.push_back(
            {.id = helper.id, .function = callable(helper.function), .is_tail_call = false});
    made.code = std::move(library);
    return made;
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

bool is_name(std::string_view text) {
    const auto is_part = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '/';
    };
    return !text.empty() && text.size() <= kMaxLabelBytes && text.front() != '/' &&
           std::ranges::all_of(text, is_part);
}

ProgramTypes::Entry* ProgramTypes::find_entry(std::string_view name) {
    const auto found = std::ranges::find(entries_, name, &Entry::name);
    return found == entries_.end() ? nullptr : &*found;
}

Result<void> ProgramTypes::check_section(const ProgramType& type) const {
    for (const Entry& entry : entries_) {
        if (!entry.registered) continue;
        const std::string& other = entry.registered->section;
        if (selects(other, base_of(type.section)) || selects(type.section, base_of(other)))
            return fail(Status::AlreadyExists, fmt::format("section '{}' is that of program type '{}'",
                                                           base_of(type.section), entry.name));
    }
    return {};
}

Result<ProgramTypeRef> ProgramTypes::add(const ebpf_program_type& type, runtime::Context& context,
                                         std::shared_ptr<void> library) {
    EBPF_TRY(ProgramType made, read_whole(type, std::move(library)));
    const std::lock_guard guard(mutex_);
    Entry* entry = find_entry(made.info.name);
    if (entry != nullptr && entry->registered)
        return fail(Status::AlreadyExists, fmt::format("program type '{}' exists already", made.info.name));
    EBPF_TRY_VOID(check_section(made));
    if (entry == nullptr) {
        if (entries_.size() == spec::kMaxRegisteredTypes)
            return fail(Status::LimitExceeded, fmt::format("program type '{}': there were {} already",
                                                           made.info.name, entries_.size()));
        entries_.reserve(entries_.size() + 1);
        const auto number = context.add_program_type();
        if (!number) return fail(number.error(), fmt::format("program type '{}'", made.info.name));
        entry = &entries_.emplace_back(Entry{made.info.name, *number, nullptr, {}});
    }
    if (ProgramTypeRef last = entry->last.lock()) {
        if (!are_same(made, *last)) {
            return fail(Status::Busy,
                        fmt::format("program type '{}': programs are loaded of another one with "
                                    "the name, whose description or helpers differ",
                                    made.info.name));
        }
        entry->registered = std::move(last);
    } else {
        made.number = entry->number;
        entry->registered = std::make_shared<const ProgramType>(std::move(made));
        entry->last = entry->registered;
    }
    return entry->registered;
}

void ProgramTypes::remove(const ProgramType& type) {
    ProgramTypeRef gone;  // let go outside the lock: it may be the last reference
    const std::lock_guard guard(mutex_);
    Entry* const entry = find_entry(type.info.name);
    if (entry != nullptr && entry->registered.get() == &type) gone = std::move(entry->registered);
}

ProgramTypeRef ProgramTypes::find(std::uint32_t number) const {
    const std::lock_guard guard(mutex_);
    const auto found = std::ranges::find(entries_, static_cast<spec::ProgramType>(number), &Entry::number);
    return found == entries_.end() ? nullptr : found->registered;
}

std::string ProgramTypes::name_of(std::uint32_t number) const {
    const std::lock_guard guard(mutex_);
    const auto found = std::ranges::find(entries_, static_cast<spec::ProgramType>(number), &Entry::number);
    return found == entries_.end() ? std::string() : found->name;
}

std::vector<ProgramTypeRef> ProgramTypes::all() const {
    const std::lock_guard guard(mutex_);
    std::vector<ProgramTypeRef> types;
    for (const Entry& entry : entries_) {
        if (entry.registered) types.push_back(entry.registered);
    }
    return types;
}

}  // namespace ebpf::service
