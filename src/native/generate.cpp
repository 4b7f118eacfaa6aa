// SPDX-License-Identifier: MIT
// The translation unit around the functions: what it was made from, and the table.
#include "native/generate.hpp"

#include <fmt/format.h>

#include "maps/array_layout.hpp"
#include "native/program_writer.hpp"
#include "native/text.hpp"

namespace ebpf::native {
namespace {

// Compilers see paths that the verifier has ruled out, and warn of what would happen there.
constexpr const char* kPrologue = R"(#ifdef __GNUC__
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Warray-bounds"
#endif
#endif
#include "ebpf/native_operations.h"

)";

const char* kind_name(std::uint32_t kind) {
    switch (static_cast<ebpf_native_binding_kind>(kind)) {
        case EBPF_NATIVE_MAP_HANDLE:
            return "EBPF_NATIVE_MAP_HANDLE";
        case EBPF_NATIVE_MAP_VALUES:
            return "EBPF_NATIVE_MAP_VALUES";
        case EBPF_NATIVE_MAP_TABLE:
            return "EBPF_NATIVE_MAP_TABLE";
        case EBPF_NATIVE_MAP_LOOKUP:
            return "EBPF_NATIVE_MAP_LOOKUP";
        case EBPF_NATIVE_HELPER:
            return "EBPF_NATIVE_HELPER";
        case EBPF_NATIVE_PACKET_BYTES:
            return "EBPF_NATIVE_PACKET_BYTES";
    }
    return "";
}

std::string byte_list(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{}0x{:02x}", text.empty() ? "" : ", ", std::to_integer<unsigned>(byte));
    return text;
}

/// The rows of one program, and how the table names them.
struct Row {
    std::string arrays;
    std::string element;
};

std::string map_rows(const ProgramInput& input) {
    std::string text;
    for (const auto& [name, shape] : input.maps) {
        const std::uint64_t stride = shape.type == spec::MapType::Array ? maps::array_stride(shape) : 0;
        text += fmt::format(
            "    {{.name = {}, .type = {}, .key_size = {}, .value_size = {}, .max_entries = {}U,\n"
            "     .flags = {}U, .element_stride = {}}},\n",
            c_string(name), static_cast<std::uint32_t>(shape.type), shape.key_size, shape.value_size,
            shape.max_entries, shape.flags, stride);
    }
    return text;
}

std::string binding_rows(const std::vector<ebpf_native_binding>& bindings) {
    std::string text;
    for (const auto& binding : bindings) {
        text += fmt::format("    {{.kind = {}, .number = {}U, .slot = {}}},\n", kind_name(binding.kind),
                            binding.number, binding.slot);
    }
    return text;
}

Row describe(const ProgramInput& input, const ProgramWriter& writer, std::size_t index) {
    Row row;
    const auto& bindings = writer.bindings();
    std::string maps = "NULL";
    if (!input.maps.empty()) {
        maps = fmt::format("maps_of_{}", index);
        row.arrays +=
            fmt::format("static const struct ebpf_native_map {}[] = {{\n{}}};\n", maps, map_rows(input));
    }
    std::string bound = "NULL";
    if (!bindings.empty()) {
        bound = fmt::format("bindings_of_{}", index);
        row.arrays += fmt::format("static const struct ebpf_native_binding {}[] = {{\n{}}};\n", bound,
                                  binding_rows(bindings));
    }
    row.element = fmt::format(
        "    {{.name = {},\n     .section = {},\n     .type = {}U, .attach_type = {}U, .memory_length = "
        "{}ULL,\n"
        "     .entry = {},\n     .maps = {}, .bindings = {}, .map_count = {}, .binding_count = {},\n"
        "     .tag = {{{}}},\n     .hash = {{{}}}}},\n",
        c_string(input.name), c_string(input.section), static_cast<std::uint32_t>(input.type),
        input.attach_type, input.memory_length, writer.entry(), maps, bound, input.maps.size(),
        bindings.size(), byte_list(input.tag), byte_list(input.hash));
    return row;
}

constexpr const char* kTable = R"(extern EBPF_NATIVE_EXPORT const struct ebpf_native_table ebpf_native_table;
EBPF_NATIVE_EXPORT const struct ebpf_native_table ebpf_native_table = {{
    .version = EBPF_NATIVE_ABI_VERSION,
    .size = sizeof(struct ebpf_native_table),
    .program_size = sizeof(struct ebpf_native_program),
    .map_size = sizeof(struct ebpf_native_map),
    .binding_size = sizeof(struct ebpf_native_binding),
    .program_count = {},
    .programs = programs,
    .source = {},
}};
)";

}  // namespace

std::expected<std::string, Fault> generate(std::span<const ProgramInput* const> programs,
                                           std::string_view source) {
    if (programs.empty()) return std::unexpected(Fault{0, Status::InvalidArgument, 0, "no programs"});
    std::string text =
        fmt::format("/* Made by bpf2c from {}. Do not edit: what is loaded is checked by its hash. */\n",
                    c_comment(source));
    text += kPrologue;
    std::string arrays;
    std::string elements;
    Names names;
    for (std::size_t i = 0; i < programs.size(); ++i) {
        const ProgramInput& input = *programs[i];
        ProgramWriter writer(input, names);
        auto functions = writer.write();
        if (!functions) {
            functions.error().program = i;
            return std::unexpected(std::move(functions).error());
        }
        text += fmt::format("/* {}, section {} */\n{}", c_comment(input.name), c_comment(input.section),
                            *functions);
        const Row row = describe(input, writer, i);
        arrays += row.arrays;
        elements += row.element;
    }
    text += arrays;
    text += fmt::format("static const struct ebpf_native_program programs[] = {{\n{}}};\n\n", elements);
    text += fmt::format(kTable, programs.size(), c_string(source));
    return text;
}

}  // namespace ebpf::native
