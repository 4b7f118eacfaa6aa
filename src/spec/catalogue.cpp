// SPDX-License-Identifier: MIT
#include "spec/catalogue.hpp"

namespace ebpf::spec {

const ProgramTypeSpec* Catalogue::find_program_type(std::uint32_t number) const noexcept {
    if (registered_ != nullptr && number == static_cast<std::uint32_t>(registered_->type.type))
        return &registered_->type;
    return spec::find_program_type(number);
}

const ContextSpec& Catalogue::context_of(const ProgramTypeSpec& type) const noexcept {
    return is_registered(type) ? registered_->context : context_spec(type.context);
}

const ContextField* Catalogue::find_field(const ProgramTypeSpec& type, std::int64_t offset,
                                          std::uint32_t size) const noexcept {
    if (!is_registered(type)) return find_context_field(type.context, offset, size);
    for (const ContextField& field : registered_->fields) {
        if (field.covers(offset, size)) return &field;
    }
    return nullptr;
}

bool Catalogue::may_write_packet(const ProgramTypeSpec& type) const noexcept {
    return is_registered(type) ? registered_->may_write_packet : type.type == ProgramType::Xdp;
}

const HelperSpec* Catalogue::find_helper(std::uint32_t id) const noexcept {
    if (registered_ != nullptr) {
        for (const HelperSpec& row : registered_->helpers) {
            if (row.id == id) return &row;
        }
    }
    return spec::find_helper(id);
}

bool Catalogue::may_call(const ProgramTypeSpec& type, const HelperSpec& helper) const noexcept {
    if (is_registered(type)) return helper.programs == kAllPrograms;
    return (helper.programs & program_bit(type.type)) != 0;
}

const SectionSpec* find_section(std::string_view name, std::span<const SectionSpec> rows) noexcept {
    for (const auto& row : rows) {
        std::string_view pattern = row.pattern;
        if (!pattern.ends_with('+')) {
            if (name == pattern) return &row;
            continue;
        }
        pattern.remove_suffix(1);
        if (name == pattern) return &row;
        if (name.starts_with(pattern) && name.size() > pattern.size() &&
            (name[pattern.size()] == '/' || name[pattern.size()] == '.')) {
            return &row;
        }
    }
    return nullptr;
}

}  // namespace ebpf::spec
