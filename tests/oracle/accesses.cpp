// SPDX-License-Identifier: MIT
// Statements that access memory.
#include <array>

#include "generator_parts.hpp"

namespace ebpf::oracle {
namespace {

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

}  // namespace

std::int32_t Generator::place(const Region& region, std::uint8_t size, bool is_aligned) {
    is_aligned = is_aligned || must_align(region);
    const auto at = static_cast<std::int32_t>(random_.below(region.bytes - size + 1));
    return region.offset + (is_aligned ? at / size * size : at);
}

void Generator::access_at(unsigned base, std::int64_t offset, spec::Form form) {
    const FormSpec& spec = spec::form_spec(form);
    const bool is_load = spec.memory == spec::Access::Read;
    const auto imm = static_cast<std::int32_t>(random_.edge());
    builder_.add(form, is_load ? number() : base,
                 is_load          ? base
                 : spec.reads_src ? number()
                                  : 0,
                 offset, spec.family == Family::StoreImm ? imm : 0);
}

spec::Form Generator::plain_form() {
    return random_.of(plain_access_forms());
}

void Generator::access() {
    const Region target = region();
    const spec::Form form = plain_form();
    access_at(target.base, place(target, spec::form_spec(form).size), form);
}

// r1 = region + (number & mask)
void Generator::masked_access() {
    const Region target = region();
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
        alu32_imm(AluOp::And, index, static_cast<std::int32_t>(mask));
    }
    builder_.move(kScratch, target.base);
    builder_.alu(AluOp::Add, kScratch, index);
    const auto within = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(room) + 1));
    access_at(kScratch, target.offset + within, form);
}

// if (number > limit) skip; r1 = region + number; with each comparison that can bound a number
void Generator::compared_access() {
    const Region target = region();
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
                {.family = Family::Alu, .alu = AluOp::Mov, .width = Width::W32, .source = Source::Reg}, index,
                index);
            builder_.jump(
                {.family = Family::Branch, .jump = JumpOp::Gt, .width = Width::W32, .source = Source::Imm},
                skip, index, 0, limit);
            break;
    }
    builder_.move(kScratch, target.base);
    builder_.alu(AluOp::Add, kScratch, index);
    access_at(kScratch, target.offset, form);
    builder_.bind(skip);
}

// Behind the checked part of the packet, after a comparison with its end, which the context tells.
void Generator::packet_access() {
    if (!is_main_ || options_.type != spec::ProgramType::Xdp) return access();
    const spec::Form form = plain_form();
    const std::uint8_t size = spec::form_spec(form).size;
    const unsigned index = number();
    const unsigned end = other_number(index);
    const Builder::Label skip = builder_.make_label();
    const auto distance = static_cast<std::int32_t>(random_.below(kRegionBytes));
    load_context(kScratch);
    context_slots_.push_back(builder_.slot());
    builder_.load(4, end, kScratch, 4);
    builder_.move(kScratch, kRegion);
    if (random_.one_in(2)) {
        builder_.alu_imm(AluOp::And, index, 127);
        builder_.alu(AluOp::Add, kScratch, index);
    }
    builder_.alu_imm(AluOp::Add, kScratch, distance + size);
    builder_.branch(random_.one_in(2) ? JumpOp::Gt : JumpOp::Ge, kScratch, end, skip);
    fill_register(end);
    access_at(kScratch, -size, form);
    builder_.bind(skip);
    fill_register(end);
}

// Takes an address back from the stack and uses it.
void Generator::spill() {
    if (!is_main_) return access();
    const bool is_region = !is_socket_filter() && random_.one_in(2);
    builder_.load(8, kScratch, kFrame, is_region ? frame_.saved_region : frame_.saved_map_value);
    const spec::Form form = plain_form();
    const Region target = regions_[!is_region && !is_socket_filter() ? 1 : 0];
    access_at(kScratch, place(target, spec::form_spec(form).size), form);
}

void Generator::atomic() {
    const Region target = region();
    if (!target.allows_atomics) return access();
    const spec::Form form = random_.of(atomic_forms());
    const FormSpec& spec = spec::form_spec(form);
    const std::int32_t at = place(target, spec.size, true);
    const bool is_load = spec.family == Family::LoadAcquire;
    const bool compares = spec.family == Family::Atomic && spec.atomic == spec::AtomicOp::Cmpxchg;
    // Otherwise a comparison with what r0 happens to hold would hardly ever succeed.
    if (compares && random_.one_in(2)) builder_.load(spec.size, 0, target.base, at);
    builder_.add(form, is_load ? number() : target.base, is_load ? target.base : number(), at);
}

// r1 points into one of two regions, depending on a number; then several accesses to the same and to both.
void Generator::either_pointer() {
    const Region one = region();
    const Region other = region();
    const spec::Form form = plain_form();
    const std::uint8_t size = spec::form_spec(form).size;
    if (one.bytes < 8 || other.bytes < 8 || options_.is_for_kernel) return access();
    const Builder::Label join = builder_.make_label();
    const auto start = [&](const Region& region) {
        return region.offset + static_cast<std::int32_t>(random_.below(region.bytes - 8 + 1));
    };
    const std::int32_t at_one = start(one);
    const std::int32_t at_other = start(other);
    builder_.move(kScratch, one.base);
    builder_.alu_imm(AluOp::Add, kScratch, at_one);
    const unsigned chooser = number();
    builder_.branch_imm(random_.one_in(2) ? JumpOp::SLt : JumpOp::Set, chooser, 1, join);
    builder_.move(kScratch, other.base);
    builder_.alu_imm(AluOp::Add, kScratch, at_other);
    builder_.bind(join);
    const auto within = static_cast<std::int64_t>(random_.below(8U - size + 1));
    access_at(one.base, at_one, random_.one_in(2) ? plain_form() : form);
    access_at(kScratch, within, form);
    access_at(other.base, at_other, plain_form());
    access_at(kScratch, 0, plain_form());
}

void Generator::context_access() {
    if (!is_main_ || options_.type == spec::ProgramType::Memory) return access();
    load_context(kScratch);
    if (options_.type == spec::ProgramType::Xdp) {
        const auto field = static_cast<std::int64_t>(random_.one_in(2) ? 12 : 16);
        const unsigned size = options_.is_for_kernel ? 4 : 1U << random_.below(3);
        context_slots_.push_back(builder_.slot());
        builder_.load(static_cast<std::uint8_t>(size), number(), kScratch, field);
        return;
    }
    if (random_.one_in(2)) return packet_instruction();
    static constexpr std::array<std::int64_t, 9> kFields{0, 8, 32, 48, 52, 56, 60, 64, 12};
    const std::int64_t field = kFields[random_.below(kFields.size())];
    const bool is_writable = field >= 48;
    context_slots_.push_back(builder_.slot());
    if (is_writable && random_.one_in(2)) {
        builder_.store(4, kScratch, field, number());
    } else {
        const unsigned to = number();
        builder_.load(static_cast<std::uint8_t>(1U << random_.below(3)), to, kScratch, field);
    }
}

// Reads the packet by the deprecated instructions; now and then beyond its end, where the program ends with
// 0.
void Generator::packet_instruction() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::PacketAbs || form.family == Family::PacketInd;
    });
    const spec::Form form = random_.of(kForms);
    const FormSpec& spec = spec::form_spec(form);
    const bool is_far = random_.one_in(30);
    const auto offset =
        static_cast<std::int64_t>(random_.below(is_far ? 200 : kRegionBytes - 32 - spec.size));
    if (spec.family == Family::PacketAbs) {
        builder_.add(form, 0, 0, 0, offset);
    } else {
        const unsigned index = number();
        builder_.alu_imm(AluOp::And, index, 31);
        builder_.add(form, 0, index, 0, offset);
    }
    refill_after_call();
}

}  // namespace ebpf::oracle
