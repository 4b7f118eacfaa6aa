// SPDX-License-Identifier: MIT
#include "isa/text/disassemble.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "isa/text/templates.hpp"
#include "spec/helpers.hpp"

namespace ebpf::isa {
namespace {

using text::Hole;

std::uint32_t low_half(const Instruction& instruction) {
    return static_cast<std::uint32_t>(instruction.imm);
}
std::uint32_t high_half(const Instruction& instruction) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(instruction.imm) >> 32U);
}

std::string helper_text(std::int64_t id) {
    const spec::HelperSpec* helper = id < 0 ? nullptr : spec::find_helper(static_cast<std::uint32_t>(id));
    if (helper == nullptr) return fmt::format("unknown#{}", id);
    return fmt::format("bpf_{}#{}", helper->name, id);
}

std::string hole_text(Hole hole, const Instruction& instruction) {
    switch (hole) {
        case Hole::Literal:
            break;
        case Hole::Dst:
            return fmt::format("r{}", instruction.dst);
        case Hole::DstLow:
            return fmt::format("w{}", instruction.dst);
        case Hole::Src:
            return fmt::format("r{}", instruction.src);
        case Hole::SrcLow:
            return fmt::format("w{}", instruction.src);
        case Hole::Imm:
            return fmt::format("{}", instruction.imm);
        case Hole::ImmHex:
            return fmt::format("{:#x}", low_half(instruction));
        case Hole::Imm64:
            return fmt::format("{:#x}", static_cast<std::uint64_t>(instruction.imm));
        case Hole::LowHalf:
            return fmt::format("{}", low_half(instruction));
        case Hole::HighHalf:
            return fmt::format("{}", high_half(instruction));
        case Hole::LowSigned:
            return fmt::format("{:+}", static_cast<std::int32_t>(low_half(instruction)));
        case Hole::BtfObject:
            return high_half(instruction) == 0 ? "" : fmt::format("[btf:{}]", high_half(instruction));
        case Hole::Offset:
            return fmt::format("{:+}", instruction.offset);
        case Hole::JumpOffset:
            return fmt::format("pc{:+}", instruction.offset);
        case Hole::JumpImm:
            return fmt::format("pc{:+}", instruction.imm);
        case Hole::Helper:
            return helper_text(instruction.imm);
        case Hole::KfuncObject:
            return instruction.offset == 0 ? "" : fmt::format(" btf[{}]", instruction.offset);
    }
    return "";
}

}  // namespace

std::string disassemble(const Instruction& instruction) {
    constexpr std::size_t kHoleSize = 3;
    std::string_view pattern = text::printed_pattern(instruction.form);
    std::string result;
    while (!pattern.empty()) {
        const std::size_t hole = pattern.find('{');
        result.append(pattern.substr(0, hole));
        if (hole == std::string_view::npos) break;
        result.append(hole_text(static_cast<Hole>(pattern[hole + 1]), instruction));
        pattern.remove_prefix(hole + kHoleSize);
    }
    return result;
}

std::string disassemble(std::span<const Instruction> code) {
    std::string result;
    for (const Instruction& instruction : code) {
        if (instruction.spec().slots == 0) continue;
        result.append(disassemble(instruction)).push_back('\n');
    }
    return result;
}

std::string listing_line(std::size_t slot, const Instruction& instruction) {
    return fmt::format("{:4}: ({:02x}) {}", slot, instruction.spec().opcode, disassemble(instruction));
}

}  // namespace ebpf::isa
