// SPDX-License-Identifier: MIT
// Any bytes into the ELF reader. Oracles: what it returns lies in the input and is consistent; errors say
// something.
#include "elf/file.hpp"
#include "fuzz.hpp"

namespace {

using ebpf::fuzz::require;

void check(const ebpf::elf::File& file, std::span<const std::byte> input) {
    for (const auto& section : file.sections()) {
        const bool inside = section.bytes.empty() ||
                            (section.bytes.data() >= input.data() &&
                             section.bytes.data() + section.bytes.size() <= input.data() + input.size());
        require(inside, "section outside the input");
        const auto relocations = file.relocations_of(section);
        if (!relocations) {
            require(!relocations.error().message().empty(), "error without message");
            continue;
        }
        for (const auto& relocation : *relocations) {
            require(relocation.symbol < file.symbols().size() && relocation.offset < section.size,
                    "relocation out of range");
        }
    }
    for (const auto& symbol : file.symbols()) {
        if (symbol.section == 0 || symbol.section >= ebpf::elf::kIndexReserved) continue;
        require(symbol.section < file.sections().size(), "symbol in no section");
        require(symbol.value + symbol.size <= file.sections()[symbol.section].size,
                "symbol outside its section");
    }
}

}  // namespace

namespace ebpf::fuzz {

std::vector<std::uint8_t> make_seed(std::span<const std::byte> object) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(object.data());
    return {begin, begin + object.size()};
}

}  // namespace ebpf::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = std::as_bytes(std::span(data, size));
    const auto file = ebpf::elf::File::parse(input);
    if (file) {
        check(*file, input);
    } else {
        require(!file.error().message().empty(), "error without message");
    }
    return 0;
}
