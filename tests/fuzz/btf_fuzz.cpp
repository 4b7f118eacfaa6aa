// SPDX-License-Identifier: MIT
// Any bytes into the BTF readers. Input: the size of .BTF in 4 bytes, .BTF, .BTF.ext. Oracle: every question
// about every type has an answer or an error.
#include <cstring>

#include "btf/ext.hpp"
#include "btf/types.hpp"
#include "elf/file.hpp"
#include "fuzz.hpp"

namespace {

using ebpf::btf::Kind;
using ebpf::fuzz::require;

void check(const ebpf::btf::Types& types) {
    for (std::uint32_t id = 0; id < types.count(); ++id) {
        const auto type = types.at(id);
        require(type.has_value() && type->id == id, "type without its id");
        require(types.name_of(*type).size() <= ebpf::btf::kMaxStringBytes, "endless name");
        const auto resolved = types.resolve(id);
        if (resolved)
            require(resolved->kind != Kind::Typedef && resolved->kind != Kind::Const, "unresolved type");
        const auto size = types.size_of(id);
        if (!size) require(!size.error().message().empty(), "error without message");
        for (std::uint32_t i = 0; i < type->count; ++i) {
            if (type->kind == Kind::Struct || type->kind == Kind::Union) {
                require(types.member_of(*type, i).type < types.count(), "member of unknown type");
            } else if (type->kind == Kind::DataSection) {
                require(ebpf::btf::Types::variable_of(*type, i).type < types.count(),
                        "variable of unknown type");
            }
        }
    }
    require(!types.at(types.count()).has_value(), "type behind the last");
}

}  // namespace

namespace ebpf::fuzz {

std::vector<std::uint8_t> make_seed(std::span<const std::byte> object) {
    const auto file = elf::File::parse(object);
    require(file.has_value(), "the seed is no ELF object");
    std::vector<std::uint8_t> seed;
    for (const char* name : {".BTF", ".BTF.ext"}) {
        const auto section = file->find_section(name);
        require(section.has_value() && *section != nullptr, "the seed has no BTF");
        const auto* begin = reinterpret_cast<const std::uint8_t*>((*section)->bytes.data());
        if (seed.empty()) {
            const auto size = static_cast<std::uint32_t>((*section)->bytes.size());
            seed.resize(sizeof(size));
            std::memcpy(seed.data(), &size, sizeof(size));
        }
        seed.insert(seed.end(), begin, begin + (*section)->bytes.size());
    }
    return seed;
}

}  // namespace ebpf::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::uint32_t types_bytes = 0;
    if (size < sizeof(types_bytes)) return 0;
    std::memcpy(&types_bytes, data, sizeof(types_bytes));
    const auto rest = std::as_bytes(std::span(data, size)).subspan(sizeof(types_bytes));
    const std::size_t split = std::min<std::size_t>(types_bytes, rest.size());
    const auto types = ebpf::btf::Types::parse(rest.first(split));
    if (!types) {
        require(!types.error().message().empty(), "error without message");
        return 0;
    }
    check(*types);
    const auto ext = ebpf::btf::parse_ext(rest.subspan(split), *types);
    if (!ext) require(!ext.error().message().empty(), "error without message");
    return 0;
}
