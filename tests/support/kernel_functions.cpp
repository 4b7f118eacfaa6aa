// SPDX-License-Identifier: MIT
#include "kernel_functions.hpp"

#include <linux/btf.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "spec/instructions.hpp"

namespace ebpf::support {
namespace {

struct Slot {
    std::uint8_t opcode;
    std::uint8_t registers;
    std::int16_t offset;
    std::int32_t imm;
};
static_assert(sizeof(Slot) == spec::kSlotBytes);

constexpr std::uint8_t kWide = 0x18;
constexpr std::uint8_t kCall = 0x85;
constexpr unsigned kPseudoCall = 1;
constexpr unsigned kPseudoFunction = 4;

void append(std::vector<std::byte>& bytes, const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), first, first + size);
}

/// Types 1: int; 2: int(void); 3 and on: functions.
std::vector<std::byte> make_btf(std::size_t functions) {
    constexpr std::uint32_t kIntType = 1;
    constexpr std::uint32_t kPrototype = 2;
    std::string strings(1, '\0');
    std::vector<std::uint32_t> types;
    const auto add = [&](const char* name, std::uint32_t kind, std::uint32_t size_or_type) {
        types.push_back(static_cast<std::uint32_t>(strings.size()));
        strings.append(name).push_back('\0');
        types.push_back(kind << 24U);
        types.push_back(size_or_type);
    };
    add("int", BTF_KIND_INT, 4);
    types.push_back(BTF_INT_SIGNED << 24U | 32U);
    add("", BTF_KIND_FUNC_PROTO, kIntType);
    types[types.size() - 3] = 0;  // a prototype has no name
    for (std::size_t i = 0; i < functions; ++i)
        add(("f" + std::to_string(i)).c_str(), BTF_KIND_FUNC, kPrototype);  // count 0: static
    btf_header header{};
    header.magic = BTF_MAGIC;
    header.version = BTF_VERSION;
    header.hdr_len = sizeof header;
    header.type_len = static_cast<std::uint32_t>(types.size() * sizeof types[0]);
    header.str_off = header.type_len;
    header.str_len = static_cast<std::uint32_t>(strings.size());
    std::vector<std::byte> bytes;
    append(bytes, &header, sizeof header);
    append(bytes, types.data(), header.type_len);
    append(bytes, strings.data(), strings.size());
    return bytes;
}

}  // namespace

FunctionTypes function_types(std::span<const std::byte> bytecode) {
    std::set<std::uint32_t> entries{0};
    bool takes_addresses = false;
    const std::size_t count = bytecode.size() / spec::kSlotBytes;
    for (std::size_t i = 0; i < count; ++i) {
        Slot slot{};
        std::memcpy(&slot, bytecode.data() + i * spec::kSlotBytes, sizeof slot);
        const unsigned source = slot.registers >> 4U;
        const bool is_address = slot.opcode == kWide && source == kPseudoFunction;
        const std::int64_t target = static_cast<std::int64_t>(i) + 1 + slot.imm;
        const bool is_entry = is_address || (slot.opcode == kCall && source == kPseudoCall);
        if (is_entry && target >= 0 && target < static_cast<std::int64_t>(count))
            entries.insert(static_cast<std::uint32_t>(target));
        takes_addresses = takes_addresses || is_address;
        if (slot.opcode == kWide) ++i;
    }
    FunctionTypes types;
    if (!takes_addresses) return types;
    types.btf = make_btf(entries.size());
    std::uint32_t type = 3;
    for (const std::uint32_t entry : entries) types.records.push_back({entry, type++});
    return types;
}

}  // namespace ebpf::support
