// SPDX-License-Identifier: MIT
#include "spec/programs.hpp"

#include <array>
#include <cstddef>
#include <utility>

#include "ebpf/contexts.h"
#include "spec/catalogue.hpp"

namespace ebpf::spec {
namespace {

constexpr auto kProgramTypes = std::to_array<ProgramTypeSpec>({
#define EBPF_PROGRAM_TYPE(name, number, text_name, context, return_min, return_max, default_action) \
    {ProgramType::name, text_name, ContextId::context, return_min, return_max, default_action},
#include "spec/program_types.def"
#undef EBPF_PROGRAM_TYPE
});

constexpr auto kContexts = std::to_array<ContextSpec>({
    {ContextId::Memory, "memory", 0, sizeof(ebpf_memory_context)},
#define EBPF_CONTEXT(name, program_struct, bytes, host_struct) \
    {ContextId::name, program_struct, bytes, sizeof(host_struct)},
#include "spec/contexts.def"
#undef EBPF_CONTEXT
});

constexpr auto kAttachTypes = std::to_array<AttachTypeSpec>({
#define EBPF_ATTACH_TYPE(name, number, text_name, program_type, hook, return_min, context) \
    {AttachType::name, text_name, ProgramType::program_type, hook, return_min, FieldPermission::context},
#include "spec/attach_types.def"
#undef EBPF_ATTACH_TYPE
});

constexpr AttachTypeMask kSource4Attach = attach_bits(AttachType::Udp4Sendmsg, AttachType::Inet4RecvAccept);
constexpr AttachTypeMask kSource6Attach = attach_bits(AttachType::Udp6Sendmsg, AttachType::Inet6RecvAccept);
constexpr AttachTypeMask kInet4Attach =
    kSource4Attach | attach_bits(AttachType::Inet4Bind, AttachType::Inet4Connect,
                                 AttachType::Inet4Getpeername, AttachType::Inet4Getsockname,
                                 AttachType::Inet4Listen);
constexpr AttachTypeMask kInet6Attach =
    kSource6Attach | attach_bits(AttachType::Inet6Bind, AttachType::Inet6Connect,
                                 AttachType::Inet6Getpeername, AttachType::Inet6Getsockname,
                                 AttachType::Inet6Listen);

constexpr auto kFields = std::to_array<ContextField>({
#define EBPF_FIELD(context, field, offset, size, permission, meaning, attach, host_struct, host_field) \
    {ContextId::context,                                                                               \
     #field,                                                                                           \
     offset,                                                                                           \
     size,                                                                                             \
     FieldPermission::permission,                                                                      \
     FieldMeaning::meaning,                                                                            \
     attach,                                                                                           \
     offsetof(host_struct, host_field),                                                                \
     sizeof(std::declval<host_struct&>().host_field)},
#include "spec/contexts.def"
#undef EBPF_FIELD
});

constexpr auto kSections = std::to_array<SectionSpec>({
#define EBPF_SECTION(pattern, type, attach_type) {pattern, ProgramType::type, attach_type},
#include "spec/sections.def"
#undef EBPF_SECTION
});

}  // namespace

std::span<const ProgramTypeSpec> program_types() noexcept {
    return kProgramTypes;
}

const ProgramTypeSpec* find_program_type(std::uint32_t number) noexcept {
    for (const auto& row : kProgramTypes) {
        if (static_cast<std::uint32_t>(row.type) == number) return &row;
    }
    return nullptr;
}

const ProgramTypeSpec* find_program_type(std::string_view name) noexcept {
    for (const auto& row : kProgramTypes) {
        if (name == row.name) return &row;
    }
    return nullptr;
}

std::span<const AttachTypeSpec> attach_types() noexcept {
    return kAttachTypes;
}

const AttachTypeSpec* find_attach_type(std::string_view name) noexcept {
    for (const auto& row : kAttachTypes) {
        if (name == row.name) return &row;
    }
    return nullptr;
}

AttachTypeMask attach_mask(ProgramType type, std::uint32_t number) noexcept {
    bool is_listed = false;
    for (const auto& row : kAttachTypes) {
        if (row.program != type) continue;
        if (static_cast<std::uint32_t>(row.type) == number) return attach_bit(row.type);
        is_listed = true;
    }
    return is_listed ? 0 : kAnyAttach;
}

const AttachTypeSpec* find_attach_type(AttachTypeMask mask) noexcept {
    for (const auto& row : kAttachTypes) {
        if (attach_bit(row.type) == mask) return &row;
    }
    return nullptr;
}

const ContextSpec& context_spec(ContextId id) noexcept {
    return kContexts[static_cast<std::size_t>(id)];
}

std::span<const ContextField> context_fields() noexcept {
    return kFields;
}

const ContextField* find_context_field(ContextId context, std::int64_t offset, std::uint32_t size) noexcept {
    for (const auto& field : kFields) {
        if (field.context == context && field.covers(offset, size)) return &field;
    }
    return nullptr;
}

std::span<const SectionSpec> sections() noexcept {
    return kSections;
}

const SectionSpec* find_section(std::string_view name) noexcept {
    return find_section(name, kSections);
}

}  // namespace ebpf::spec
