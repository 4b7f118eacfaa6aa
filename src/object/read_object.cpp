// SPDX-License-Identifier: MIT
// read_object(): the steps from bytes to ObjectSpec, in order.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_set>

#include "base/byte_reader.hpp"
#include "base/try.hpp"
#include "object/source.hpp"

namespace ebpf::object {
namespace {

constexpr std::size_t kMaxLicenceBytes = 128;

// Adds what failed to an error of a lower reader.
template <typename T>
Result<T> in_section(Result<T> result, std::string_view section) {
    if (result) return result;
    return std::unexpected(std::move(result).error().in(fmt::format("section '{}'", section)));
}

Result<std::string> read_licence(const elf::File& file) {
    EBPF_TRY(const elf::Section* section, file.find_section("license"));
    if (section == nullptr) return std::string();
    const auto* begin = reinterpret_cast<const char*>(section->bytes.data());
    const std::string_view text(begin, section->bytes.size());
    const std::string_view licence = text.substr(0, text.find('\0'));
    if (licence.size() > kMaxLicenceBytes) {
        return fail(Status::LimitExceeded,
                    fmt::format("{}: licence of {} bytes is longer than {}", elf::describe(*section),
                                licence.size(), kMaxLicenceBytes));
    }
    return std::string(licence);
}

Result<std::uint32_t> read_version(const elf::File& file) {
    EBPF_TRY(const elf::Section* section, file.find_section("version"));
    if (section == nullptr) return 0U;
    const auto version = ByteReader(section->bytes).read<std::uint32_t>(0);
    if (!version || section->bytes.size() != sizeof(std::uint32_t)) {
        return fail(Status::Malformed, fmt::format("{}: {} bytes are not a 4-byte version number",
                                                   elf::describe(*section), section->bytes.size()));
    }
    return *version;
}

Result<void> read_types(Source& source, ObjectSpec& object) {
    EBPF_TRY(const elf::Section* types, source.file.find_section(".BTF"));
    EBPF_TRY(const elf::Section* ext, source.file.find_section(".BTF.ext"));
    if (types != nullptr) {
        EBPF_TRY(source.types, in_section(btf::Types::parse(types->bytes), ".BTF"));
        object.btf.assign(types->bytes.begin(), types->bytes.end());
    }
    if (ext == nullptr) return {};
    if (!source.types) {
        return fail(Status::Malformed,
                    fmt::format("{}: there is no section .BTF that it could refer to", elf::describe(*ext)));
    }
    EBPF_TRY(source.ext, in_section(btf::parse_ext(ext->bytes, *source.types), ".BTF.ext"));
    for (const auto& relocations : source.ext->relocations) {
        return fail(Status::NotSupported,
                    fmt::format("section '{}': its code needs {} CO-RE relocations, which are not "
                                "supported",
                                relocations.section, relocations.count));
    }
    return {};
}

// Line records and messages know sections by name only, so names of sections that hold code must tell them
// apart.
Result<void> check_code_sections(const elf::File& file) {
    std::unordered_set<std::string_view> names;
    for (const auto& section : file.sections()) {
        if (!is_code(section)) continue;
        if (section.name.empty() || !names.insert(section.name).second) {
            return fail(Status::Malformed,
                        fmt::format("{}: executable section {}", elf::describe(section),
                                    section.name.empty() ? "without a name" : "of a name that exists twice"));
        }
    }
    return {};
}

}  // namespace

bool is_code(const elf::Section& section) {
    return section.is_executable() && section.size != 0;
}

namespace {

/// libbpf makes the sizes of ring buffers fit where programs did not: the next power of two pages. 0 stays,
/// for the context to refuse. Source: libbpf src/libbpf.c, adjust_ringbuf_sz().
std::uint32_t fitting_ring_bytes(std::uint32_t wanted) {
    if (wanted == 0 || wanted > 1U << 31U) return wanted;
    return std::max(std::bit_ceil(wanted), spec::kRingPageBytes);
}

}  // namespace

Result<void> add_map(Source& source, MapSpec map, MapPlace place) {
    if (map.shape.type == spec::MapType::RingBuffer)
        map.shape.max_entries = fitting_ring_bytes(map.shape.max_entries);
    if (source.maps.size() == kMaxMaps)
        return fail(Status::LimitExceeded, fmt::format("more than {} maps", kMaxMaps));
    const auto same = std::ranges::find(source.maps, map.name, &MapSpec::name);
    if (map.name.empty() || same != source.maps.end()) {
        return fail(Status::Malformed,
                    fmt::format("section '{}': map '{}' at offset {}: {}", map.section, map.name,
                                place.offset, map.name.empty() ? "has no name" : "is defined twice"));
    }
    place.map = static_cast<std::uint32_t>(source.maps.size());
    source.maps.push_back(std::move(map));
    source.places.push_back(place);
    return {};
}

Result<ObjectSpec> read_object(std::span<const std::byte> bytes, std::string_view name,
                               std::span<const spec::SectionSpec> registered) {
    EBPF_TRY(elf::File file, elf::File::parse(bytes));
    Source source{.file = std::move(file),
                  .sections = registered,
                  .types = {},
                  .ext = {},
                  .maps = {},
                  .places = {},
                  .functions = {}};
    ObjectSpec object;
    object.name = name;
    EBPF_TRY(object.licence, read_licence(source.file));
    EBPF_TRY(object.kernel_version, read_version(source.file));
    EBPF_TRY_VOID(check_code_sections(source.file));
    EBPF_TRY_VOID(read_types(source, object));
    EBPF_TRY_VOID(read_btf_maps(source));
    EBPF_TRY_VOID(read_legacy_maps(source));
    EBPF_TRY_VOID(read_global_data(source));
    EBPF_TRY_VOID(read_functions(source));
    EBPF_TRY_VOID(assign_lines(source));
    EBPF_TRY(object.programs, link_programs(source));
    EBPF_TRY_VOID(read_run_configs(source, object.programs));
    object.maps = std::move(source.maps);
    return object;
}

}  // namespace ebpf::object
