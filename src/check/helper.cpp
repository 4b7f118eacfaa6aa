// SPDX-License-Identifier: MIT
// Calls of helpers: their contracts (spec/helpers.def) and what they leave behind.
#include "base/assert.hpp"
#include "check/access.hpp"
#include "check/step.hpp"

namespace ebpf::check {
namespace {

using domains::Scalar;
using spec::ArgKind;
using spec::Rule;

constexpr std::size_t kArguments = 5;
constexpr std::int64_t kStack = spec::kStackBytes;

/// The argument registers of one call, checked one after the other.
class Call {
  public:
    Call(const Program& program, const State& state, const spec::HelperSpec& helper, Finding& finding)
        : program_(program), state_(state), helper_(helper), finding_(finding) {}

    bool check() {
        for (std::size_t i = 0; i < kArguments; ++i) {
            const auto reg = static_cast<std::uint8_t>(i + 1);
            const ArgKind kind = helper_.arguments[i];
            if (kind == ArgKind::None) continue;
            finding_.number = helper_.id;
            if (!check_argument(reg, kind)) {
                finding_.reg = finding_.reg == kNoRegister ? reg : finding_.reg;
                finding_.argument = reg;
                finding_.helper = helper_.id;
                finding_.expected = kind;
                return false;
            }
        }
        return true;
    }

  private:
    const Value& at(std::uint8_t reg) const { return state_.registers[reg]; }

    bool check_argument(std::uint8_t reg, ArgKind kind) {
        const Value& value = at(reg);
        if (value.kind == Kind::Unusable && kind != ArgKind::Optional)
            return finding_.fail(Rule::Uninitialised, reg, value);
        switch (kind) {
            case ArgKind::None:
                return true;
            case ArgKind::Anything:
            case ArgKind::Optional:
                return !is_pointer(value) ||
                       finding_.fail(Rule::PointerLeak, reg, value, "passed as a number");
            case ArgKind::Scalar:
                return value.kind == Kind::Scalar || finding_.fail(Rule::Argument, reg, value);
            case ArgKind::Context:
                return check_context(reg, value);
            case ArgKind::Map:
                return check_map(reg, value);
            case ArgKind::MapKey:
                return check_of_map(reg, map_->shape.key_size);
            case ArgKind::MapValue:
                return check_of_map(reg, map_->shape.value_size);
            case ArgKind::ReadMemory:
            case ArgKind::WriteMemory:
                return check_sized(reg, kind == ArgKind::WriteMemory);
            case ArgKind::Size:
            case ArgKind::SizeNonZero:
                return true;  // checked with the memory before it
            case ArgKind::Callback:
                if (value.kind != Kind::Code) return finding_.fail(Rule::Argument, reg, value);
                return check_entry(state_, value.map, reg, finding_);
            case ArgKind::CallbackContext:
                return true;
            case ArgKind::RecordSize:
                if (value.kind != Kind::Scalar) return finding_.fail(Rule::Argument, reg, value);
                return value.number.is_constant() ||
                       finding_.fail(Rule::SizeArgument, reg, value, "must be one known number");
            case ArgKind::Record:
                return check_record(reg, value);
        }
        return finding_.fail(Rule::Internal, reg, value);
    }

    bool check_context(std::uint8_t reg, const Value& value) {
        if (value.kind != Kind::Context) return finding_.fail(Rule::Argument, reg, value);
        if (value.offset == 0 && is_exactly(value.number, 0)) return true;
        return finding_.fail(Rule::ContextModified, reg, value);
    }

    bool check_record(std::uint8_t reg, const Value& value) {
        if (value.kind == Kind::RecordOrNull) return finding_.fail(Rule::NullCheck, reg, value);
        const bool is_unmoved = value.offset == 0 && is_exactly(value.number, 0);
        if (value.kind == Kind::Record && is_unmoved) return true;
        return finding_.fail(Rule::Argument, reg, value);
    }

    bool check_map(std::uint8_t reg, const Value& value) {
        if (value.kind != Kind::Map) return finding_.fail(Rule::Argument, reg, value);
        map_ = &program_.maps[value.map];
        if ((helper_.maps & spec::maps(map_->shape.type)) == 0) {
            return finding_.fail(Rule::MapArgument, reg, value, "of a type that the helper does not work on");
        }
        const bool changes = helper_.id == static_cast<std::uint32_t>(spec::HelperId::map_update_elem) ||
                             helper_.id == static_cast<std::uint32_t>(spec::HelperId::map_delete_elem);
        if (!changes) return true;
        if (map_->is_frozen) return finding_.fail(Rule::ReadOnly, reg, value, "the map is frozen");
        if ((map_->shape.flags & spec::kMapReadOnlyProgram) == 0) return true;
        return finding_.fail(Rule::ReadOnly, reg, value, "the map is read-only for programs");
    }

    bool check_of_map(std::uint8_t reg, std::uint32_t size) {
        return check_bytes(reg, {0, size, true, false, true});
    }

    bool check_sized(std::uint8_t reg, bool is_write) {
        const auto size_reg = static_cast<std::uint8_t>(reg + 1);
        const Value& size = at(size_reg);
        const bool may_be_zero = helper_.arguments[reg] == ArgKind::Size;
        if (size.kind == Kind::Unusable) return finding_.fail(Rule::Uninitialised, size_reg, size);
        if (size.kind != Kind::Scalar) return finding_.fail(Rule::Argument, size_reg, size);
        if (size.number.umax() > static_cast<std::uint64_t>(kMaxOffset)) {
            return finding_.fail(Rule::SizeArgument, size_reg, size, "has no upper bound");
        }
        if (size.number.umin() == 0 && !may_be_zero) {
            return finding_.fail(Rule::SizeArgument, size_reg, size, "may be 0");
        }
        if (is_exactly(size.number, 0) && is_exactly(at(reg).number, 0) && at(reg).kind == Kind::Scalar)
            return true;
        const auto bytes = static_cast<std::int64_t>(size.number.umax());
        return check_bytes(reg, {0, bytes, !is_write, is_write, true});
    }

    bool check_bytes(std::uint8_t reg, const Request& request) {
        const Value& value = at(reg);
        if (!check_region(program_, state_, value, request, finding_)) {
            finding_.reg = reg;
            if (finding_.rule == Rule::NotPointer) finding_.rule = Rule::Argument;
            return false;
        }
        if (value.kind != Kind::Stack || !request.reads) return true;
        const auto first = static_cast<std::uint32_t>(finding_.low + kStack);
        const auto size = static_cast<std::uint32_t>(finding_.high - finding_.low + request.size);
        if (!state_.frames[value.frame].holds_pointer(first, size)) return true;
        return finding_.fail(Rule::PointerLeak, reg, value, "passed in memory");
    }

    const Program& program_;
    const State& state_;
    const spec::HelperSpec& helper_;
    Finding& finding_;
    const MapView* map_ = nullptr;  ///< the Map argument, which stands before keys and values in every row
};

consteval bool maps_stand_before_keys() {
    using Row = std::array<ArgKind, 5>;
    constexpr Row kRows[] = {
#define EBPF_HELPER(id, name, returns, a1, a2, a3, a4, a5, effects, map_mask, program_mask, licence, text) \
    Row{ArgKind::a1, ArgKind::a2, ArgKind::a3, ArgKind::a4, ArgKind::a5},
#include "spec/helpers.def"
#undef EBPF_HELPER
    };
    for (const Row& row : kRows) {
        bool has_map = false;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (row[i] == ArgKind::Map) has_map = true;
            if ((row[i] == ArgKind::MapKey || row[i] == ArgKind::MapValue) && !has_map) return false;
            const bool is_sized = row[i] == ArgKind::ReadMemory || row[i] == ArgKind::WriteMemory;
            if (!is_sized) continue;
            if (i + 1 == row.size() || (row[i + 1] != ArgKind::Size && row[i + 1] != ArgKind::SizeNonZero))
                return false;
        }
    }
    return true;
}
static_assert(maps_stand_before_keys(),
              "a helper's map comes before its keys and values, memory before its size");

const Value& argument(const spec::HelperSpec& helper, const State& state, ArgKind kind) {
    std::size_t at = 0;
    while (at < kArguments && helper.arguments[at] != kind) ++at;
    EBPF_ASSERT(at < kArguments);
    return state.registers[at + 1];
}

/// The address of a value of the map, or of a record, or 0. More bytes than pointers can reach need not be
/// known of a record.
Value returned_address(const spec::HelperSpec& helper, State& state) {
    Value value;
    if (helper.returns == spec::ReturnKind::RecordOrNull) {
        constexpr auto kMost = static_cast<std::uint64_t>(kMaxOffset);
        const std::uint64_t bytes = argument(helper, state, ArgKind::RecordSize).number.value();
        value = make_pointer(Kind::RecordOrNull);
        value.map = static_cast<std::uint32_t>(bytes < kMost ? bytes : kMost);
    } else {
        value = make_pointer(Kind::MapValueOrNull);
        value.map = argument(helper, state, ArgKind::Map).map;
    }
    value.id = state.make_id();
    return value;
}

Value returned(const spec::HelperSpec& helper, State& state) {
    switch (helper.returns) {
        case spec::ReturnKind::Scalar:
        case spec::ReturnKind::Error:
            return make_scalar(Scalar::unknown());
        case spec::ReturnKind::MapValueOrNull:
        case spec::ReturnKind::RecordOrNull:
            return returned_address(helper, state);
        case spec::ReturnKind::Nothing:
            break;
    }
    return {};
}

}  // namespace

bool check_helper(const Program& program, const State& state, std::uint32_t id, Finding& finding) noexcept {
    finding.number = id;
    const spec::HelperSpec* helper = program.catalogue.find_helper(id);
    if (helper == nullptr) return finding.fail(Rule::UnknownHelper, kNoRegister, Value{});
    if (!program.catalogue.may_call(*program.type, *helper)) {
        return finding.fail(Rule::HelperProgram, kNoRegister, Value{});
    }
    if (helper->licence == spec::LicenceGate::Gpl && !program.is_gpl) {
        return finding.fail(Rule::Licence, kNoRegister, Value{});
    }
    if (helper->effects.tail_call && state.depth() > 0) {
        return finding.fail(Rule::TailCallPlace, kNoRegister, Value{});
    }
    if (const Reference* held = state.held_since(0); helper->effects.tail_call && held != nullptr) {
        finding.number = held->slot;
        return finding.fail(Rule::ReferenceLeak, kNoRegister, Value{},
                            "when the program goes on in another one");
    }
    return Call(program, state, *helper, finding).check();
}

Status apply_helper(const Program& program, State& state, std::uint32_t id, std::uint32_t slot) noexcept {
    const spec::HelperSpec* helper = program.catalogue.find_helper(id);
    for (std::size_t i = 0; i < kArguments; ++i) {
        if (helper->arguments[i] != ArgKind::WriteMemory) continue;
        const Value pointer = state.registers[i + 1];
        const Scalar size = state.registers[i + 2].number;
        write_unknown(state, pointer, 0, static_cast<std::int64_t>(size.umin()),
                      static_cast<std::int64_t>(size.umax()));
    }
    state.registers[0] = returned(*helper, state);
    if (state.registers[0].kind == Kind::RecordOrNull &&
        !state.references.push_back({state.registers[0].id, slot, state.depth()}))
        return Status::OutOfMemory;
    for (std::size_t i = 0; i < kArguments; ++i) {
        if (helper->arguments[i] == ArgKind::Record) state.release(state.registers[i + 1].id, false);
    }
    for (std::size_t reg = 1; reg <= kArguments; ++reg) state.registers[reg] = Value{};
    if (helper->effects.moves_packet) state.drop_packet();
    return Status::Ok;
}

}  // namespace ebpf::check
