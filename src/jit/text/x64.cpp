// SPDX-License-Identifier: MIT
#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <tuple>

#include "jit/text/machines.hpp"

namespace ebpf::jit {

MachineListing disassemble_x64(std::span<const std::byte> code, std::uint64_t address) {
    MachineListing listing;
    for (std::size_t at = 0; at < code.size();) {
        MachineInstruction& line = listing.emplace_back();
        line.offset = static_cast<std::uint32_t>(at);
        ZydisDisassembledInstruction found;
        std::size_t length = 1;
        if (ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address + at, code.data() + at,
                                               code.size() - at, &found))) {
            length = found.info.length;
            std::tie(line.operation, line.operands) = split_text(found.text);
        } else {
            line.operation = ".byte";
            line.operands = fmt::format("{:#04x}", std::to_integer<unsigned>(code[at]));
        }
        const auto bytes = code.subspan(at, length);
        line.bytes.assign(bytes.begin(), bytes.end());
        at += length;
    }
    return listing;
}

}  // namespace ebpf::jit
