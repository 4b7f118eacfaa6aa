// SPDX-License-Identifier: MIT
// Functions of executable sections: where they are, which maps their instructions refer to, whom they call.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/try.hpp"
#include "object/slots.hpp"
#include "object/source.hpp"

namespace ebpf::object {
namespace {

std::string describe(const elf::Section& section, std::uint64_t offset) {
    return fmt::format("{}: offset {}", elf::describe(section), offset);
}

Result<void> add_function(const elf::Section& section, const elf::Symbol& symbol,
                          std::vector<Function>& functions) {
    if (symbol.value % spec::kSlotBytes != 0 || symbol.size % spec::kSlotBytes != 0 || symbol.size == 0 ||
        symbol.name.empty()) {
        return fail(Status::Malformed,
                    fmt::format("{}: function '{}' of {} bytes is not a named sequence of 8-byte slots",
                                describe(section, symbol.value), symbol.name, symbol.size));
    }
    Function function;
    function.name = symbol.name;
    function.section = section.index;
    function.offset = symbol.value;
    function.size = symbol.size;
    function.is_global = symbol.binding != elf::SymbolBinding::Local;
    functions.push_back(std::move(function));
    return {};
}

// Sorts by place and drops second names of the same function; a global name is kept before a local one.
Result<void> order_functions(Source& source) {
    auto& functions = source.functions;
    const auto place = [](const Function& function) {
        return std::tuple(function.section, function.offset, !function.is_global, function.name);
    };
    std::ranges::sort(functions, {}, place);
    const auto same = [](const Function& a, const Function& b) {
        return a.section == b.section && a.offset == b.offset && a.size == b.size;
    };
    functions.erase(std::unique(functions.begin(), functions.end(), same), functions.end());
    for (std::size_t i = 1; i < functions.size(); ++i) {
        const Function& before = functions[i - 1];
        const Function& function = functions[i];
        if (before.section == function.section && function.offset < before.offset + before.size) {
            return fail(Status::Malformed,
                        fmt::format("{}: functions '{}' and '{}' overlap",
                                    describe(source.file.sections()[function.section], function.offset),
                                    before.name, function.name));
        }
    }
    return {};
}

/// Resolves what the instructions of one section refer to.
class SectionResolver {
  public:
    SectionResolver(Source& source, const elf::Section& section) : source_(source), section_(section) {}

    Result<void> run() {
        EBPF_TRY(relocations_, source_.file.relocations_of(section_));
        std::ranges::sort(relocations_, {}, &elf::Relocation::offset);
        EBPF_TRY_VOID(check_relocations());
        for (auto& function : functions_of(source_, section_)) EBPF_TRY_VOID(resolve_function(function));
        if (next_ < relocations_.size()) {
            return fail(
                Status::Malformed,
                fmt::format("{}: relocation of symbol {} is not at an instruction of any function",
                            describe(section_, relocations_[next_].offset), relocations_[next_].symbol));
        }
        return {};
    }

  private:
    Result<void> check_relocations() const {
        for (std::size_t i = 0; i < relocations_.size(); ++i) {
            const auto& relocation = relocations_[i];
            const auto where = [&] { return describe(section_, relocation.offset); };
            if (relocation.offset % spec::kSlotBytes != 0) {
                return fail(Status::Malformed,
                            fmt::format("{}: relocation is not at an 8-byte slot", where()));
            }
            if (relocation.type != elf::kRelocation64 && relocation.type != elf::kRelocationCall) {
                return fail(
                    Status::NotSupported,
                    fmt::format("{}: relocation type {} is not supported in code", where(), relocation.type));
            }
            if (i > 0 && relocations_[i - 1].offset == relocation.offset) {
                return fail(Status::Malformed,
                            fmt::format("{}: two relocations of one instruction", where()));
            }
        }
        return {};
    }

    Result<void> resolve_function(Function& function) {
        const auto bytes = section_.bytes.subspan(static_cast<std::size_t>(function.offset),
                                                  static_cast<std::size_t>(function.size));
        function.bytecode.assign(bytes.begin(), bytes.end());
        const auto slots = static_cast<std::uint32_t>(function.size / spec::kSlotBytes);
        for (std::uint32_t slot = 0; slot < slots;) {
            const elf::Relocation* relocation =
                take_relocation(function.offset + std::uint64_t{slot} * spec::kSlotBytes);
            if (auto resolved = resolve_slot(function, slot, slots, relocation); resolved) {
                slot += *resolved;
            } else {
                return std::unexpected(std::move(resolved).error().in(fmt::format(
                    "{}: function '{}' instruction {}", elf::describe(section_), function.name, slot)));
            }
        }
        return {};
    }

    // Relocations are consumed in step with the instructions; what is left over lies elsewhere.
    const elf::Relocation* take_relocation(std::uint64_t offset) {
        if (next_ == relocations_.size() || relocations_[next_].offset != offset) return nullptr;
        return &relocations_[next_++];
    }

    // Returns how many slots the instruction takes.
    Result<std::uint32_t> resolve_slot(Function& function, std::uint32_t slot, std::uint32_t slots,
                                       const elf::Relocation* relocation) {
        const isa::Slot value = load_slot(function.bytecode, slot);
        const spec::FormSpec* form = find_form(value);
        const spec::Family family = form == nullptr ? spec::Family::WideTail : form->family;
        if (is_wide(value)) {
            if (slot + 1 >= slots)
                return fail(Status::Malformed, "second slot of a wide immediate is missing");
            EBPF_TRY_VOID(resolve_wide(function, slot, value, relocation));
            return 2U;
        }
        if (family == spec::Family::CallLocal) {
            EBPF_TRY_VOID(resolve_call(function, slot, value, relocation));
            return 1U;
        }
        if (family == spec::Family::CallRegister) normalise_call_register(function, slot, value);
        if (relocation != nullptr) {
            return fail(Status::Malformed,
                        fmt::format("relocation type {} does not fit opcode {:#04x} with src {}",
                                    relocation->type, value.opcode, value.src()));
        }
        if (form != nullptr && form->may_jump) EBPF_TRY_VOID(check_jump(*form, value, slot, slots));
        return 1U;
    }

    // Compilers up to clang 18 write the register of callx into the imm field.
    static void normalise_call_register(Function& function, std::uint32_t slot, isa::Slot value) {
        if (value.registers != 0 || value.imm <= 0 || value.imm >= spec::kRegisterCount) return;
        value.registers = static_cast<std::uint8_t>(value.imm);
        value.imm = 0;
        store_slot(function.bytecode, slot, value);
    }

    static Result<void> check_jump(const spec::FormSpec& form, const isa::Slot& value, std::uint32_t slot,
                                   std::uint32_t slots) {
        const std::int64_t distance = form.imm == spec::FieldRule::JumpTarget ? value.imm : value.offset;
        const std::int64_t target = std::int64_t{slot} + 1 + distance;
        if (target >= 0 && target < slots) return {};
        return fail(Status::JumpOutOfRange,
                    fmt::format("jump to {} leaves the function of {} slots", target, slots));
    }

    Result<void> resolve_wide(Function& function, std::uint32_t slot, isa::Slot first,
                              const elf::Relocation* relocation) {
        if (relocation == nullptr) {
            if (first.src() == static_cast<std::uint8_t>(spec::WideKind::Value)) return {};
            return fail(Status::NotSupported,
                        fmt::format("wide immediate of kind {} without a relocation", first.src()));
        }
        if (relocation->type != elf::kRelocation64 || first.src() != 0) {
            return fail(Status::Malformed,
                        fmt::format("relocation type {} does not fit a wide immediate of kind {}",
                                    relocation->type, first.src()));
        }
        isa::Slot second = load_slot(function.bytecode, slot + 1);
        const elf::Symbol& symbol = source_.file.symbols()[relocation->symbol];
        const std::uint64_t addend =
            static_cast<std::uint32_t>(first.imm) |
            (static_cast<std::uint64_t>(static_cast<std::uint32_t>(second.imm)) << 32U);
        EBPF_TRY(const elf::Section* home, home_of(symbol));
        if (is_code(*home)) return resolve_code_address(function, slot, first, *home, symbol.value + addend);
        EBPF_TRY(const MapPlace* place, find_place(*home, symbol, addend));
        const MapSpec& map = source_.maps[place->map];
        first.imm = static_cast<std::int32_t>(place->map);
        set_wide_kind(first, map.is_global_data ? spec::WideKind::MapIndexValue : spec::WideKind::MapIndex);
        second.imm = map.is_global_data ? static_cast<std::int32_t>(symbol.value + addend) : 0;
        store_slot(function.bytecode, slot, first);
        store_slot(function.bytecode, slot + 1, second);
        return {};
    }

    // The address of a function, for callbacks and calls through registers: like a call, it makes the
    // function a subprogram, and its distance is known once that has its place. `offset` is where in `home`
    // it begins.
    Result<void> resolve_code_address(Function& function, std::uint32_t slot, isa::Slot first,
                                      const elf::Section& home, std::uint64_t offset) {
        const auto place = static_cast<std::int64_t>(offset);
        const auto callee = find_function(home.index, place);
        if (!callee) {
            return fail(Status::Malformed,
                        fmt::format("takes the address of {} offset {}, where no function begins",
                                    elf::describe(home), place));
        }
        set_wide_kind(first, spec::WideKind::CodeAddress);
        isa::Slot second = load_slot(function.bytecode, slot + 1);
        first.imm = 0;
        second.imm = 0;
        store_slot(function.bytecode, slot, first);
        store_slot(function.bytecode, slot + 1, second);
        function.calls.push_back({slot, *callee});
        return {};
    }

    // Finds the map that symbol + addend points to. The sum wraps: addends may be negative.
    Result<const MapPlace*> find_place(const elf::Section& home, const elf::Symbol& symbol,
                                       std::uint64_t addend) const {
        const std::uint64_t offset = symbol.value + addend;
        bool holds_maps = false;
        for (const auto& place : source_.places) {
            if (place.section != home.index) continue;
            holds_maps = true;
            const bool is_data = source_.maps[place.map].is_global_data;
            if (is_data ? offset < place.size : offset == place.offset) return &place;
        }
        if (holds_maps) {
            return fail(Status::Malformed,
                        fmt::format("symbol '{}' with addend {} points to offset {} of {}, where no map or "
                                    "variable is",
                                    symbol.name, static_cast<std::int64_t>(addend),
                                    static_cast<std::int64_t>(offset), elf::describe(home)));
        }
        return fail(Status::NotSupported,
                    fmt::format("refers to symbol '{}' in {}, which is neither a map nor global data",
                                symbol.name, elf::describe(home)));
    }

    Result<const elf::Section*> home_of(const elf::Symbol& symbol) const {
        if (symbol.section == elf::kIndexUndefined) {
            return fail(Status::UnresolvedSymbol,
                        fmt::format("extern symbol '{}' is not defined in this object", symbol.name));
        }
        if (symbol.section >= elf::kIndexReserved) {
            return fail(Status::NotSupported,
                        fmt::format("symbol '{}' is absolute or common (section index {:#x}), which is "
                                    "not supported",
                                    symbol.name, symbol.section));
        }
        return &source_.file.sections()[symbol.section];
    }

    Result<void> resolve_call(Function& function, std::uint32_t slot, const isa::Slot& value,
                              const elf::Relocation* relocation) {
        std::uint32_t section = section_.index;
        std::int64_t target =
            static_cast<std::int64_t>(function.offset) +
            (std::int64_t{slot} + 1 + value.imm) * static_cast<std::int64_t>(spec::kSlotBytes);
        if (relocation != nullptr) {
            if (relocation->type != elf::kRelocationCall) {
                return fail(Status::Malformed,
                            fmt::format("relocation type {} does not fit a call", relocation->type));
            }
            const elf::Symbol& symbol = source_.file.symbols()[relocation->symbol];
            EBPF_TRY(const elf::Section* home, home_of(symbol));
            section = home->index;
            // The field holds the callee's distance from the symbol, counted as a call counts: less one.
            target = static_cast<std::int64_t>(symbol.value) +
                     (std::int64_t{value.imm} + 1) * static_cast<std::int64_t>(spec::kSlotBytes);
        }
        const auto callee = find_function(section, target);
        if (!callee) {
            return fail(Status::Malformed,
                        fmt::format("calls {} offset {}, where no function begins",
                                    elf::describe(source_.file.sections()[section]), target));
        }
        function.calls.push_back({slot, *callee});
        return {};
    }

    std::optional<std::uint32_t> find_function(std::uint32_t section, std::int64_t offset) const {
        if (offset < 0) return std::nullopt;
        const auto place = [](const Function& function) {
            return std::pair(function.section, function.offset);
        };
        const auto wanted = std::pair(section, static_cast<std::uint64_t>(offset));
        const auto found = std::ranges::lower_bound(source_.functions, wanted, {}, place);
        if (found == source_.functions.end() || place(*found) != wanted) return std::nullopt;
        return static_cast<std::uint32_t>(found - source_.functions.begin());
    }

    Source& source_;
    const elf::Section& section_;
    std::vector<elf::Relocation> relocations_;
    std::size_t next_ = 0;
};

}  // namespace

std::span<Function> functions_of(Source& source, const elf::Section& section) {
    const auto range = std::ranges::equal_range(source.functions, section.index, {}, &Function::section);
    return {range.begin(), range.end()};
}

Result<void> read_functions(Source& source) {
    for (const auto& symbol : source.file.symbols()) {
        if (symbol.kind != elf::SymbolKind::Function || symbol.section >= elf::kIndexReserved) continue;
        const elf::Section& section = source.file.sections()[symbol.section];
        if (is_code(section)) EBPF_TRY_VOID(add_function(section, symbol, source.functions));
    }
    EBPF_TRY_VOID(order_functions(source));
    for (const auto& section : source.file.sections()) {
        if (is_code(section)) EBPF_TRY_VOID(SectionResolver(source, section).run());
    }
    return {};
}

}  // namespace ebpf::object
