// SPDX-License-Identifier: MIT
#include "verifier/registered_type.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace ebpf::verifier {
namespace {

using spec::ArgKind;
using spec::FieldMeaning;

constexpr std::uint32_t kAddressBytes = 8;
constexpr std::size_t kMaxNameBytes = 63;

bool is_identifier(std::string_view text) {
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= kMaxNameBytes && is_letter(text.front()) &&
           std::ranges::all_of(text, is_part);
}

/// Collects the first thing that is wrong.
class Inspection {
  public:
    explicit Inspection(const RegisteredTypeInfo& info) : info_(info) {}

    std::string run() {
        check_type();
        for (std::size_t i = 0; i < info_.fields.size() && fault_.empty(); ++i) check_field(i);
        check_addresses();
        for (std::size_t i = 0; i < info_.helpers.size() && fault_.empty(); ++i) check_helper(i);
        return fault_;
    }

  private:
    template <typename... Arguments>
    void refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        if (fault_.empty()) fault_ = fmt::format(format, std::forward<Arguments>(arguments)...);
    }

    void check_type() {
        if (!is_identifier(info_.name)) refuse("program type '{}': the name is no identifier", info_.name);
        if (spec::find_program_type(info_.name) != nullptr)
            refuse("program type '{}' is a built-in one", info_.name);
        if (!is_identifier(info_.context)) refuse("context '{}': the name is no identifier", info_.context);
        if (info_.context_bytes == 0 || info_.context_bytes > spec::kMaxRegisteredContextBytes) {
            refuse("context '{}' has {} bytes, at least 1 and at most {} are possible", info_.context,
                   info_.context_bytes, spec::kMaxRegisteredContextBytes);
        }
        if (info_.fields.size() > spec::kMaxRegisteredFields)
            refuse("context '{}' has more than {} fields", info_.context, spec::kMaxRegisteredFields);
        if (info_.helpers.size() > spec::kMaxRegisteredHelpers)
            refuse("program type '{}' has more than {} helpers", info_.name, spec::kMaxRegisteredHelpers);
    }

    void check_field(std::size_t index) {
        const FieldInfo& field = info_.fields[index];
        const bool is_number = field.meaning == FieldMeaning::Plain;
        if (!is_identifier(field.name)) refuse("field '{}': the name is no identifier", field.name);
        if (!is_number && field.meaning != FieldMeaning::PacketStart &&
            field.meaning != FieldMeaning::PacketEnd) {
            refuse("field '{}': kind {} is neither a number nor an end of the data", field.name,
                   static_cast<unsigned>(field.meaning));
        }
        if (field.permission != spec::FieldPermission::Read &&
            (!is_number || field.permission != spec::FieldPermission::ReadWrite)) {
            refuse("field '{}': programs may write numbers only", field.name);
        }
        const bool is_size = field.size == 1 || field.size == 2 || field.size == 4 || field.size == 8;
        if (!is_size) refuse("field '{}' has {} bytes, a number has 1, 2, 4 or 8", field.name, field.size);
        if (!is_number && field.size != kAddressBytes)
            refuse("field '{}' has {} bytes, an address has 8", field.name, field.size);
        if (is_size && field.offset % field.size != 0) {
            refuse("field '{}' of {} bytes is not aligned at offset {}", field.name, field.size,
                   field.offset);
        }
        if (field.offset > info_.context_bytes || field.size > info_.context_bytes - field.offset) {
            refuse("field '{}' of {} bytes at offset {} does not lie within the {} bytes of context '{}'",
                   field.name, field.size, field.offset, info_.context_bytes, info_.context);
        }
        for (std::size_t i = 0; i < index && fault_.empty(); ++i) check_pair(info_.fields[i], field);
    }

    void check_pair(const FieldInfo& first, const FieldInfo& second) {
        if (first.name == second.name) refuse("field '{}' is described twice", second.name);
        if (first.offset < second.offset + second.size && second.offset < first.offset + first.size)
            refuse("fields '{}' and '{}' overlap at offset {}", first.name, second.name,
                   std::max(first.offset, second.offset));
        if (second.meaning != FieldMeaning::Plain && first.meaning == second.meaning)
            refuse("fields '{}' and '{}' are the same end of the data", first.name, second.name);
    }

    void check_addresses() {
        const auto has = [this](FieldMeaning meaning) {
            return std::ranges::find(info_.fields, meaning, &FieldInfo::meaning) != info_.fields.end();
        };
        const bool has_start = has(FieldMeaning::PacketStart);
        if (has_start != has(FieldMeaning::PacketEnd)) {
            refuse("context '{}' has only the {} of its data", info_.context, has_start ? "start" : "end");
        }
        if (info_.may_write_packet && !has_start)
            refuse("context '{}' has no data that programs could write", info_.context);
    }

    void check_helper(std::size_t index) {
        const HelperInfo& helper = info_.helpers[index];
        if (!is_identifier(helper.name)) refuse("helper '{}': the name is no identifier", helper.name);
        if (helper.id < spec::kFirstRegisteredHelper ||
            helper.id > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
            refuse("helper '{}' has the id {:#x}, ids of a hook's own helpers are {:#x}..0x7fffffff",
                   helper.name, helper.id, spec::kFirstRegisteredHelper);
        }
        if (spec::find_helper(helper.id) != nullptr)
            refuse("helper '{}': the id {:#x} is that of a built-in helper", helper.name, helper.id);
        for (std::size_t i = 0; i < index; ++i) {
            const HelperInfo& other = info_.helpers[i];
            if (other.id == helper.id)
                refuse("helpers '{}' and '{}' have the same id {:#x}", other.name, helper.name, helper.id);
            if (other.name == helper.name) refuse("helper '{}' is described twice", helper.name);
        }
        if (helper.returns != spec::ReturnKind::Scalar)
            refuse("helper '{}': only numbers can be returned", helper.name);
        if (helper.moves_packet && !has_data())
            refuse("helper '{}' moves data that context '{}' has not", helper.name, info_.context);
        for (std::size_t i = 0; i < helper.arguments.size(); ++i) check_argument(helper, i);
    }

    [[nodiscard]] bool has_data() const {
        return std::ranges::find(info_.fields, FieldMeaning::PacketStart, &FieldInfo::meaning) !=
               info_.fields.end();
    }

    void check_argument(const HelperInfo& helper, std::size_t index) {
        const ArgKind kind = helper.arguments[index];
        const ArgKind before = index == 0 ? ArgKind::None : helper.arguments[index - 1];
        const ArgKind after =
            index + 1 == helper.arguments.size() ? ArgKind::None : helper.arguments[index + 1];
        const auto is_size = [](ArgKind is) { return is == ArgKind::Size || is == ArgKind::SizeNonZero; };
        const auto is_memory = [](ArgKind is) {
            return is == ArgKind::ReadMemory || is == ArgKind::WriteMemory;
        };
        const std::size_t number = index + 1;
        if (kind != ArgKind::None && index != 0 && before == ArgKind::None)
            refuse("helper '{}': argument {} follows one that is not there", helper.name, number);
        if (is_memory(kind) && !is_size(after))
            refuse("helper '{}': the size of argument {} must follow it", helper.name, number);
        if (is_size(kind) && !is_memory(before))
            refuse("helper '{}': argument {} is the size of no memory", helper.name, number);
        switch (kind) {
            case ArgKind::None:
            case ArgKind::Scalar:
            case ArgKind::Context:
            case ArgKind::ReadMemory:
            case ArgKind::WriteMemory:
            case ArgKind::Size:
            case ArgKind::SizeNonZero:
                return;
            case ArgKind::Map:
            case ArgKind::MapKey:
            case ArgKind::MapValue:
            case ArgKind::Anything:
            case ArgKind::Optional:
            case ArgKind::Callback:
            case ArgKind::CallbackContext:
            case ArgKind::RecordSize:
            case ArgKind::Record:
                break;
        }
        refuse("helper '{}': argument {} has a kind {} that a hook's own helpers cannot have", helper.name,
               number, static_cast<unsigned>(kind));
    }

    const RegisteredTypeInfo& info_;
    std::string fault_;
};

}  // namespace

std::string fault_of(const RegisteredTypeInfo& info) {
    return Inspection(info).run();
}

RegisteredRows::RegisteredRows(const RegisteredTypeInfo& info, spec::ProgramType number) {
    for (const FieldInfo& field : info.fields) {
        fields_.push_back({.context = spec::kRegisteredContext,
                           .name = field.name.c_str(),
                           .offset = field.offset,
                           .size = field.size,
                           .permission = field.permission,
                           .meaning = field.meaning,
                           .attach = spec::kAnyAttach,
                           .host_offset = field.offset,
                           .host_size = field.size});
    }
    for (const HelperInfo& helper : info.helpers) {
        helpers_.push_back({.id = helper.id,
                            .name = helper.name.c_str(),
                            .returns = helper.returns,
                            .arguments = helper.arguments,
                            .effects = helper.moves_packet ? spec::kMovesPacket : spec::kNoEffects,
                            .maps = spec::kNoMaps,
                            .programs = spec::kAllPrograms,
                            .licence = spec::LicenceGate::Any,
                            .text = ""});
    }
    type_ = {.type = {.type = number,
                      .name = info.name.c_str(),
                      .context = spec::kRegisteredContext,
                      .return_min = info.return_min,
                      .return_max = info.return_max,
                      .default_action = 0},
             .context = {.id = spec::kRegisteredContext,
                         .name = info.context.c_str(),
                         .bytes = info.context_bytes,
                         .host_bytes = info.context_bytes},
             .fields = fields_,
             .helpers = helpers_,
             .may_write_packet = info.may_write_packet};
}

}  // namespace ebpf::verifier
