// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <aarch64/decoder-aarch64.h>
#include <aarch64/disasm-aarch64.h>

#include <cstring>
#include <tuple>

#include "jit/text/machines.hpp"

namespace ebpf::jit {

MachineListing disassemble_arm64(std::span<const std::byte> code, std::uint64_t address) {
    constexpr std::size_t kWord = sizeof(std::uint32_t);
    // A copy, because the disassembler wants aligned words.
    std::vector<std::uint32_t> words(code.size() / kWord);
    if (!words.empty()) std::memcpy(words.data(), code.data(), words.size() * kWord);
    vixl::aarch64::Decoder decoder;
    vixl::aarch64::Disassembler disassembler;
    decoder.AppendVisitor(&disassembler);
    const auto* first = reinterpret_cast<const vixl::aarch64::Instruction*>(words.data());
    disassembler.MapCodeAddress(static_cast<std::int64_t>(address), first);

    MachineListing listing;
    for (std::size_t i = 0; i < words.size(); ++i) {
        MachineInstruction& line = listing.emplace_back();
        line.offset = static_cast<std::uint32_t>(i * kWord);
        const auto bytes = code.subspan(i * kWord, kWord);
        line.bytes.assign(bytes.begin(), bytes.end());
        decoder.Decode(reinterpret_cast<const vixl::aarch64::Instruction*>(&words[i]));
        const std::string_view text = disassembler.GetOutput();
        if (text.starts_with("unallocated") || text.starts_with("unimplemented") || text.empty()) {
            line.operation = ".word";
            line.operands = fmt::format("{:#010x}", words[i]);
        } else {
            std::tie(line.operation, line.operands) = split_text(text);
        }
    }
    return listing;
}

}  // namespace ebpf::jit
