// SPDX-License-Identifier: MIT
#include "generator.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "base/byte_reader.hpp"
#include "builder.hpp"
#include "isa/decode.hpp"
#include "isa/encode.hpp"
#include "spec/helpers.hpp"

namespace ebpf::oracle {
namespace {

using spec::AluOp;
using spec::AtomicOp;
using spec::Family;
using spec::FormSpec;
using spec::JumpOp;
using spec::Source;
using spec::Width;

constexpr std::uint32_t kRegionBytes = 64;  // memory or checked part of the packet
constexpr std::uint32_t kMapValueBytes = 64;
constexpr unsigned kScratch = 1;   // holds addresses for a moment, never a number
constexpr unsigned kRegion = 6;    // address of memory or packet
constexpr unsigned kMapValue = 7;  // address of the map's value
constexpr unsigned kCounter = 9;   // loop counter inside loops, else a number
constexpr unsigned kFrame = spec::kFramePointer;
constexpr std::int32_t kNumbersBegin = -128;  // stack bytes that hold numbers: [-128, -8)
constexpr std::int32_t kNumbersBytes = 120;
constexpr std::int32_t kSavedRegion = -136;
constexpr std::int32_t kSavedMapValue = -144;

/// Memory that statements may access: a register with an address and how much is valid from there.
struct Region {
    unsigned base;
    std::int32_t offset;  ///< of the first valid byte from `base`
    std::uint32_t bytes;
    bool allows_atomics;
};

template <typename Predicate>
std::vector<spec::Form> forms_where(Predicate predicate) {
    std::vector<spec::Form> result;
    for (std::size_t i = 1; i < spec::forms().size(); ++i) {
        const auto form = static_cast<spec::Form>(i);
        if (predicate(spec::form_spec(form))) result.push_back(form);
    }
    return result;
}

const std::vector<spec::Form>& arithmetic_forms() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::Alu || form.family == Family::Negate || form.family == Family::MoveSx ||
               form.family == Family::ByteOrder;
    });
    return kForms;
}
const std::vector<spec::Form>& branch_forms() {
    static const auto kForms =
        forms_where([](const FormSpec& form) { return form.family == Family::Branch; });
    return kForms;
}
const std::vector<spec::Form>& plain_access_forms() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::Load || form.family == Family::LoadSx ||
               form.family == Family::StoreImm || form.family == Family::StoreReg;
    });
    return kForms;
}
const std::vector<spec::Form>& atomic_forms() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::Atomic || form.family == Family::LoadAcquire ||
               form.family == Family::StoreRelease;
    });
    return kForms;
}

class Generator {
  public:
    Generator(std::uint64_t seed, const Options& options) : random_(seed), options_(options) {}

    Generated generate() {
        result_.type = options_.type;
        result_.map = {.type = spec::MapType::Array,
                       .key_size = 4,
                       .value_size = kMapValueBytes,
                       .max_entries = 1,
                       .flags = 0};
        fill(result_.memory,
             kRegionBytes + (options_.type == spec::ProgramType::Xdp ? random_.below(64) : 0));
        fill(result_.map_value, kMapValueBytes);
        subprograms_.resize(random_.below(3));
        is_called_.resize(subprograms_.size());
        for (Builder::Label& label : subprograms_) label = builder_.make_label();
        exit_ = builder_.make_label();
        main_program();
        for (std::size_t i = 0; i < subprograms_.size(); ++i) subprogram(i);
        result_.code = builder_.finish();
        return std::move(result_);
    }

  private:
    void fill(std::vector<std::byte>& bytes, std::size_t count) {
        bytes.resize(count);
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_.below(256));
    }

    // ---- frame of a program

    void main_program() {
        find_region();
        find_map_value();
        numbers_ = {0, 2, 3, 4, 5, 8, kCounter};
        fill_stack();
        builder_.store(8, kFrame, kSavedRegion, kRegion);
        builder_.store(8, kFrame, kSavedMapValue, kMapValue);
        regions_ = {{kRegion, 0, kRegionBytes, options_.type == spec::ProgramType::Memory},
                    {kMapValue, 0, kMapValueBytes, true},
                    {kFrame, kNumbersBegin, static_cast<std::uint32_t>(kNumbersBytes), true}};
        fill_registers();
        can_call_ = true;
        statements(6 + random_.below(20));
        for (std::size_t i = 0; i < subprograms_.size(); ++i) {
            if (!is_called_[i]) call_subprogram(i);  // code that nothing reaches is refused
        }
        fold();
        builder_.bind(exit_);
        builder_.leave();
    }

    void find_region() {
        if (options_.type == spec::ProgramType::Memory) {
            builder_.move(kRegion, 1);
            return;
        }
        builder_.alu_imm(AluOp::Mov, 0, 2);
        result_.context_slots.push_back(builder_.slot());
        builder_.load(4, kRegion, 1, 0);
        result_.context_slots.push_back(builder_.slot());
        builder_.load(4, 3, 1, 4);
        builder_.move(2, kRegion);
        builder_.alu_imm(AluOp::Add, 2, static_cast<std::int32_t>(kRegionBytes));
        builder_.branch(JumpOp::Gt, 2, 3, exit_);
    }

    void find_map_value() {
        if (random_.one_in(3)) {
            builder_.add({.family = Family::LoadImm64, .wide = spec::WideKind::MapIndexValue}, kMapValue);
            return;
        }
        builder_.alu_imm(AluOp::Mov, 1, 0);
        builder_.store(4, kFrame, -4, 1);
        builder_.add({.family = Family::LoadImm64, .wide = spec::WideKind::MapIndex}, 1);
        builder_.move(2, kFrame);
        builder_.alu_imm(AluOp::Add, 2, -4);
        builder_.call_helper(static_cast<std::int32_t>(spec::HelperId::map_lookup_elem));
        builder_.branch_imm(JumpOp::Eq, 0, 0, exit_);
        builder_.move(kMapValue, 0);
    }

    void fill_stack() {
        for (std::int32_t at = kNumbersBegin; at < kNumbersBegin + kNumbersBytes; at += 8) {
            if (random_.one_in(4)) {
                builder_.constant(0, random_.edge());
                builder_.store(8, kFrame, at, 0);
            } else {
                builder_.add({.family = Family::StoreImm, .source = Source::Imm, .size = 8}, kFrame, 0, at,
                             static_cast<std::int32_t>(random_.edge()));
            }
        }
    }

    void fill_registers() {
        for (const unsigned number : numbers_) fill_register(number);
    }

    // Mostly values that nobody knows beforehand, else the verifier would just compute.
    void fill_register(unsigned number) {
        const unsigned choice = random_.below(4);
        if (choice == 0 || regions_.empty()) {
            builder_.constant(number, random_.edge());
        } else {
            const Region& region = regions_[random_.below(static_cast<std::uint32_t>(regions_.size()))];
            const auto size = static_cast<std::uint8_t>(1U << random_.below(4));
            builder_.load(size, number, region.base, place(region, size));
        }
    }

    // All numbers go into r0; its high half too, as the kernel returns 32 bits only.
    void fold() {
        for (const unsigned number : numbers_) {
            if (number != 0) builder_.alu(random_.one_in(2) ? AluOp::Xor : AluOp::Add, 0, number);
        }
        builder_.move(2, 0);
        builder_.alu_imm(AluOp::Rsh, 2, 32);
        builder_.alu(AluOp::Xor, 0, 2);
    }

    // A subprogram takes two numbers and, half of the time, the caller's region in r3.
    void subprogram(std::size_t index) {
        builder_.bind(subprograms_[index]);
        numbers_ = {0, 2, 4, 5, 8, kCounter};
        regions_ = {{kFrame, kNumbersBegin, static_cast<std::uint32_t>(kNumbersBytes), true}};
        builder_.move(kRegion, 3);
        builder_.move(8, 1);
        builder_.move(0, 2);
        fill_stack_of_callee();
        regions_.push_back({kRegion, 0, kRegionBytes, options_.type == spec::ProgramType::Memory});
        for (const unsigned number : {4U, 5U, kCounter}) fill_register(number);
        can_call_ = false;
        statements(3 + random_.below(8));
        builder_.alu(AluOp::Xor, 0, 8);
        builder_.leave();
    }

    void fill_stack_of_callee() {
        for (std::int32_t at = kNumbersBegin; at < kNumbersBegin + kNumbersBytes; at += 8) {
            builder_.store(8, kFrame, at, random_.one_in(2) ? 8 : 2);
        }
    }

    // ---- statements

    void statements(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) statement();
    }

    void statement() {
        switch (random_.below(12)) {
            case 0:
            case 1:
            case 2:
                return arithmetic();
            case 3:
            case 4:
                return access();
            case 5:
                return masked_access();
            case 6:
                return compared_access();
            case 7:
                return fork();
            case 8:
                return loop();
            case 9:
                return call();
            case 10:
                return spill();
            default:
                return random_.one_in(2) ? atomic() : random_number();
        }
    }

    unsigned number() { return numbers_[random_.below(static_cast<std::uint32_t>(numbers_.size()))]; }

    [[nodiscard]] bool must_align(const Region& region) const {
        return options_.is_for_kernel && region.base == kFrame;
    }

    // The kernel tracks no alignment of a number on the stack, and forgets the packet's checked length when a
    // number is added to its address.
    [[nodiscard]] bool can_index(const Region& region, std::uint8_t size) const {
        if (!options_.is_for_kernel) return true;
        return region.base == kFrame ? size == 1 : region.base != kRegion;
    }

    std::int32_t place(const Region& region, std::uint8_t size, bool is_aligned = false) {
        is_aligned = is_aligned || must_align(region);
        const auto at = static_cast<std::int32_t>(random_.below(region.bytes - size + 1));
        return region.offset + (is_aligned ? at / size * size : at);
    }

    void arithmetic() {
        const auto& forms = arithmetic_forms();
        const spec::Form form = forms[random_.below(static_cast<std::uint32_t>(forms.size()))];
        const FormSpec& spec = spec::form_spec(form);
        auto imm = static_cast<std::int32_t>(random_.edge());
        const bool is_shift = spec.alu == AluOp::Lsh || spec.alu == AluOp::Rsh || spec.alu == AluOp::Arsh;
        const bool is_division = spec.alu == AluOp::Div || spec.alu == AluOp::SDiv ||
                                 spec.alu == AluOp::Mod || spec.alu == AluOp::SMod;
        // The kernel refuses these two as constants.
        if (is_shift) imm = static_cast<std::int32_t>(random_.below(spec.width == Width::W64 ? 64 : 32));
        if (is_division && imm == 0) imm = 3;
        const bool has_imm = spec.source == Source::Imm;
        builder_.add(form, number(), spec.source == Source::Reg ? number() : 0, 0, has_imm ? imm : 0);
    }

    Region& region() { return regions_[random_.below(static_cast<std::uint32_t>(regions_.size()))]; }

    void access_at(unsigned base, std::int64_t offset, spec::Form form) {
        const FormSpec& spec = spec::form_spec(form);
        const bool is_load = spec.memory == spec::Access::Read;
        const auto imm = static_cast<std::int32_t>(random_.edge());
        builder_.add(form, is_load ? number() : base,
                     is_load          ? base
                     : spec.reads_src ? number()
                                      : 0,
                     offset, spec.family == Family::StoreImm ? imm : 0);
    }

    spec::Form plain_form() {
        const auto& forms = plain_access_forms();
        return forms[random_.below(static_cast<std::uint32_t>(forms.size()))];
    }

    void access() {
        const Region& target = region();
        const spec::Form form = plain_form();
        access_at(target.base, place(target, spec::form_spec(form).size), form);
    }

    // r1 = region + (number & mask)
    void masked_access() {
        const Region& target = region();
        const spec::Form form = plain_form();
        const std::uint8_t size = spec::form_spec(form).size;
        if (!can_index(target, size)) return access();
        const unsigned index = number();
        const std::uint32_t mask = (1U << random_.below(6)) - 1;
        const std::int32_t room =
            static_cast<std::int32_t>(target.bytes) - size - static_cast<std::int32_t>(mask);
        if (room < 0) return;
        if (random_.one_in(2)) {
            builder_.alu_imm(AluOp::And, index, static_cast<std::int32_t>(mask));
        } else {
            builder_.add(
                {.family = Family::Alu, .alu = AluOp::And, .width = Width::W32, .source = Source::Imm}, index,
                0, 0, static_cast<std::int32_t>(mask));
        }
        builder_.move(kScratch, target.base);
        builder_.alu(AluOp::Add, kScratch, index);
        const auto within = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(room) + 1));
        access_at(kScratch, target.offset + within, form);
    }

    // if (number > limit) skip; r1 = region + number; with each comparison that can bound a number
    void compared_access() {
        const Region& target = region();
        const spec::Form form = plain_form();
        const std::uint8_t size = spec::form_spec(form).size;
        if (!can_index(target, size)) return access();
        const unsigned index = number();
        const auto limit = static_cast<std::int32_t>(random_.below(target.bytes - size + 1));
        const Builder::Label skip = builder_.make_label();
        switch (random_.below(4)) {
            case 0:
                builder_.branch_imm(JumpOp::Gt, index, limit, skip);
                break;
            case 1:
                builder_.branch_imm(JumpOp::Ge, index, limit + 1, skip);
                break;
            case 2:
                builder_.branch_imm(JumpOp::SGt, index, limit, skip);
                builder_.branch_imm(JumpOp::SLt, index, 0, skip);
                break;
            default:
                builder_.add(
                    {.family = Family::Alu, .alu = AluOp::Mov, .width = Width::W32, .source = Source::Reg},
                    index, index);
                builder_.jump({.family = Family::Branch,
                               .jump = JumpOp::Gt,
                               .width = Width::W32,
                               .source = Source::Imm},
                              skip, index, 0, limit);
                break;
        }
        builder_.move(kScratch, target.base);
        builder_.alu(AluOp::Add, kScratch, index);
        access_at(kScratch, target.offset, form);
        builder_.bind(skip);
    }

    void fork() {
        if (depth_ >= 3) return arithmetic();
        ++depth_;
        const auto& forms = branch_forms();
        const FormSpec& spec =
            spec::form_spec(forms[random_.below(static_cast<std::uint32_t>(forms.size()))]);
        const Builder::Label otherwise = builder_.make_label();
        const Builder::Label end = builder_.make_label();
        const bool is_register = spec.source == Source::Reg;
        builder_.jump(spec, otherwise, number(), is_register ? number() : 0,
                      is_register ? 0 : static_cast<std::int32_t>(random_.edge()));
        statements(1 + random_.below(3));
        builder_.go(end);
        builder_.bind(otherwise);
        statements(random_.below(3));
        builder_.bind(end);
        --depth_;
    }

    void loop() {
        if (std::ranges::find(numbers_, kCounter) == numbers_.end() || depth_ >= 2) return arithmetic();
        ++depth_;
        std::erase(numbers_, kCounter);
        const auto rounds = static_cast<std::int32_t>(1 + random_.below(6));
        const bool counts_down = random_.one_in(2);
        const Builder::Label again = builder_.make_label();
        builder_.alu_imm(AluOp::Mov, kCounter, counts_down ? rounds : 0);
        builder_.bind(again);
        statements(1 + random_.below(3));
        builder_.alu_imm(AluOp::Add, kCounter, counts_down ? -1 : 1);
        builder_.branch_imm(counts_down ? JumpOp::Ne : JumpOp::Lt, kCounter, counts_down ? 0 : rounds, again);
        numbers_.push_back(kCounter);
        --depth_;
    }

    void call() {
        if (!can_call_ || subprograms_.empty()) return arithmetic();
        call_subprogram(random_.below(static_cast<std::uint32_t>(subprograms_.size())));
    }

    void call_subprogram(std::size_t index) {
        is_called_[index] = true;
        const unsigned first = number();
        const unsigned second = number();
        builder_.move(1, first);
        builder_.move(2, second);
        builder_.move(3, kRegion);
        builder_.jump({.family = Family::CallLocal}, subprograms_[index]);
        refill_after_call();
    }

    // A call leaves r0 defined and r1..r5 not.
    void refill_after_call() {
        for (const unsigned number : numbers_) {
            if (number >= 2 && number <= 5) fill_register(number);
        }
    }

    void random_number() {
        if (options_.is_for_kernel) return arithmetic();
        builder_.call_helper(static_cast<std::int32_t>(spec::HelperId::get_prandom_u32));
        refill_after_call();
    }

    // Takes an address back from the stack and uses it.
    void spill() {
        if (!can_call_) return access();
        const bool is_region = random_.one_in(2);
        builder_.load(8, kScratch, kFrame, is_region ? kSavedRegion : kSavedMapValue);
        const spec::Form form = plain_form();
        const Region& target = regions_[is_region ? 0 : 1];
        access_at(kScratch, place(target, spec::form_spec(form).size), form);
    }

    void atomic() {
        const Region& target = region();
        if (!target.allows_atomics) return access();
        const auto& forms = atomic_forms();
        const spec::Form form = forms[random_.below(static_cast<std::uint32_t>(forms.size()))];
        const FormSpec& spec = spec::form_spec(form);
        const std::int32_t at = place(target, spec.size, true);
        const bool is_load = spec.family == Family::LoadAcquire;
        builder_.add(form, is_load ? number() : target.base, is_load ? target.base : number(), at);
    }

    Random random_;
    Options options_;
    Generated result_;
    Builder builder_;
    std::vector<Builder::Label> subprograms_;
    std::vector<bool> is_called_;
    Builder::Label exit_ = 0;
    std::vector<unsigned> numbers_;  ///< registers that hold initialised numbers
    std::vector<Region> regions_;
    unsigned depth_ = 0;
    bool can_call_ = false;
};

}  // namespace

std::uint64_t Random::edge() {
    switch (below(4)) {
        case 0:
            return below(16);
        case 1: {
            const std::uint64_t power = std::uint64_t{1} << below(64);
            return power + below(3) - 1;
        }
        case 2:
            return ~std::uint64_t{below(256)} + 1;
        default:
            return bits();
    }
}

std::vector<std::byte> Generated::bytecode() const {
    const auto bytes = isa::encode(code);
    if (!bytes) return {};
    return {bytes->begin(), bytes->end()};
}

std::vector<verifier::AccessKind> Generated::accesses() const {
    std::vector<verifier::AccessKind> kinds(code.size(), verifier::AccessKind::None);
    for (const std::uint32_t slot : context_slots) kinds[slot] = verifier::AccessKind::Context;
    return kinds;
}

verifier::Request Generated::request() const {
    verifier::Request request;
    request.program_name = "generated";
    request.type = type;
    request.is_gpl = true;
    request.memory_length = type == spec::ProgramType::Memory ? memory.size() : 0;
    request.bytecode = bytecode();
    verifier::MapInfo info;
    info.name = "values";
    info.shape = map;
    request.maps.push_back(info);
    request.wants_invariants = true;
    // A mutation may make a loop of billions of rounds; what cannot be decided soon is refused.
    request.limits.time_ns = 300'000'000;
    return request;
}

Generated generate(std::uint64_t seed, const Options& options) {
    return Generator(seed, options).generate();
}

void mutate(Generated& program, Random& random) {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        std::vector<isa::Instruction> code = program.code;
        isa::Instruction& instruction = code[random.below(static_cast<std::uint32_t>(code.size()))];
        switch (random.below(5)) {
            case 0:
                instruction.dst = static_cast<std::uint8_t>(random.below(spec::kRegisterCount));
                break;
            case 1:
                instruction.src = static_cast<std::uint8_t>(random.below(spec::kRegisterCount));
                break;
            case 2:
                instruction.offset =
                    static_cast<std::int16_t>(instruction.offset + static_cast<int>(random.below(17)) - 8);
                break;
            case 3:
                instruction.imm = static_cast<std::int32_t>(
                    random.one_in(2) ? random.edge()
                                     : static_cast<std::uint64_t>(instruction.imm) + random.below(5) - 2);
                break;
            default: {
                // another form with the same shape: an operator, width or size for another
                const auto& forms = spec::forms();
                const auto form =
                    static_cast<spec::Form>(1 + random.below(static_cast<std::uint32_t>(forms.size()) - 1));
                if (spec::form_spec(form).family != instruction.spec().family) continue;
                instruction.form = form;
                break;
            }
        }
        if (code == program.code) continue;
        const auto bytes = isa::encode(code);
        if (!bytes) continue;
        const auto decoded = isa::decode(*bytes, spec::kAllGroups);
        if (!decoded) continue;
        program.code.assign(decoded->begin(), decoded->end());
        return;
    }
}

}  // namespace ebpf::oracle
