// SPDX-License-Identifier: MIT
#include "client/structure.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.hpp"
#include "btf/types.hpp"

namespace ebpf::client {
namespace {

Result<void> check_member(const btf::Types& types, const btf::Member& member,
                          const verifier::RegisteredTypeInfo& info) {
    const auto field = std::ranges::find(info.fields, member.name, &verifier::FieldInfo::name);
    if (field == info.fields.end()) return {};
    EBPF_TRY(const std::uint32_t size, types.size_of(member.type));
    constexpr std::uint32_t kByteBits = 8;
    if (member.bit_offset == field->offset * kByteBits && size == field->size) return {};
    return fail(
        Status::VersionMismatch,
        fmt::format(
            "struct {}: field '{}' has {} bytes at offset {} in the program, but {} bytes at offset {} "
            "in the hook: they were compiled with different headers",
            info.context, member.name, size, member.bit_offset / kByteBits, field->size, field->offset));
}

}  // namespace

Result<void> check_structure(std::span<const std::byte> bytes, const verifier::RegisteredTypeInfo& info) {
    if (bytes.empty()) return {};
    EBPF_TRY(const auto types, btf::Types::parse(bytes));
    for (std::uint32_t id = 1; id < types.count(); ++id) {
        EBPF_TRY(const btf::Type type, types.at(id));
        // Member offsets of structures with bit fields mean something else.
        if (type.kind != btf::Kind::Struct || type.has_bitfields || types.name_of(type) != info.context)
            continue;
        for (std::uint32_t i = 0; i < type.count; ++i)
            EBPF_TRY_VOID(check_member(types, types.member_of(type, i), info));
    }
    return {};
}

}  // namespace ebpf::client
