// SPDX-License-Identifier: MIT
// Any bytes into read_object(). Oracles: programs are whole slots, their references to maps and calls are in
// range.
#include <algorithm>
#include <cstring>

#include "fuzz.hpp"
#include "object/object_spec.hpp"

namespace {

using ebpf::fuzz::require;

struct RawSlot {
    std::uint8_t opcode;
    std::uint8_t registers;
    std::int16_t offset;
    std::int32_t imm;
};

bool begins_subprogram(const ebpf::object::ProgramSpec& program, std::int64_t slot) {
    return std::ranges::any_of(program.subprograms,
                               [slot](const auto& subprogram) { return subprogram.slot == slot; });
}

void check_code(const ebpf::object::ProgramSpec& program, const ebpf::object::ObjectSpec& object) {
    require(!program.bytecode.empty() && program.bytecode.size() % sizeof(RawSlot) == 0,
            "program is not whole slots");
    std::vector<RawSlot> slots(program.bytecode.size() / sizeof(RawSlot));
    std::memcpy(slots.data(), program.bytecode.data(), program.bytecode.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
        const unsigned src = slots[i].registers >> 4U;
        if (slots[i].opcode == 0x85 && src == 1) {
            const std::int64_t target = static_cast<std::int64_t>(i) + 1 + slots[i].imm;
            require(begins_subprogram(program, target), "call to no subprogram");
        }
        if (slots[i].opcode != 0x18 || src == 0) continue;
        if (src == 4) {
            const std::int64_t target = static_cast<std::int64_t>(i) + 1 + slots[i].imm;
            require(begins_subprogram(program, target), "address of no subprogram");
            continue;
        }
        require(src == 5 || src == 6, "wide immediate of another kind than a map or function reference");
        const auto map = static_cast<std::uint32_t>(slots[i].imm);
        require(map < object.maps.size() && i + 1 < slots.size(), "reference to no map");
        require(object.maps[map].is_global_data == (src == 6),
                "value reference to a map without data, or the reverse");
        const auto offset = static_cast<std::uint32_t>(slots[i + 1].imm);
        require(src == 5 ? offset == 0 : offset < object.maps[map].shape.value_size,
                "offset outside the value");
        ++i;
    }
}

void check(const ebpf::object::ObjectSpec& object) {
    for (const auto& map : object.maps) {
        require(!map.name.empty(), "map without a name");
        require(!map.is_global_data || map.initial.size() == map.shape.value_size,
                "global data of another size");
    }
    for (const auto& program : object.programs) {
        require(!program.subprograms.empty() && program.subprograms[0].slot == 0,
                "program without its entry");
        for (const auto& line : program.lines) {
            require(line.slot < program.bytecode.size() / sizeof(RawSlot), "line outside the program");
        }
        check_code(program, object);
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
    const auto object = ebpf::object::read_object(std::as_bytes(std::span(data, size)), "fuzz");
    if (object) {
        check(*object);
    } else {
        require(!object.error().message().empty(), "error without message");
    }
    return 0;
}
