// SPDX-License-Identifier: MIT
// Statements that reach maps through helpers, and tail calls.
#include "generator_parts.hpp"

namespace ebpf::oracle {
namespace {

std::int32_t id(spec::HelperId helper) {
    return static_cast<std::int32_t>(helper);
}

}  // namespace

void Generator::map_statement() {
    switch (random_.below(6)) {
        case 0:
        case 1:
        case 2:
            return lookup();
        case 3:
            return update();
        case 4:
            return erase();
        default:
            return tail_call();
    }
}

// A key that is often there: a small number, or anything.
void Generator::store_key(std::uint32_t map) {
    const spec::MapShape& shape = result_.maps[map].shape;
    const std::uint8_t size = shape.key_size >= 4 ? 4 : shape.key_size >= 2 ? 2 : 1;
    if (random_.one_in(3)) {
        builder_.add({.family = Family::StoreImm, .source = Source::Imm, .size = size}, kFrame, 0, frame_.key,
                     random_.below(shape.max_entries + 1));
        return;
    }
    const unsigned key = number();
    if (!random_.one_in(20)) builder_.alu_imm(AluOp::And, key, 7);
    builder_.store(size, kFrame, frame_.key, key);
}

void Generator::lookup() {
    const std::uint32_t map = random_.one_in(2) ? kArray : kHash;
    const std::uint32_t value_size = result_.maps[map].shape.value_size;
    store_key(map);
    load_map(1, map);
    builder_.move(2, kFrame);
    builder_.alu_imm(AluOp::Add, 2, frame_.key);
    builder_.call_helper(id(spec::HelperId::map_lookup_elem));
    const Builder::Label absent = builder_.make_label();
    const Builder::Label end = builder_.make_label();
    builder_.branch_imm(JumpOp::Eq, 0, 0, absent);
    builder_.move(kScratch, 0);
    fill_register(0);
    refill_after_call();
    const Region value{kScratch, 0, value_size, true, false, false};
    const std::uint32_t accesses = 1 + random_.below(3);
    for (std::uint32_t i = 0; i < accesses; ++i) {
        const spec::Form form = plain_form();
        const std::uint8_t size = spec::form_spec(form).size;
        if (size <= value_size) access_at(kScratch, place(value, size), form);
    }
    if (value_size % 8 == 0 && random_.one_in(2)) {
        const std::int32_t at = place(value, 8, true);
        const unsigned operand = number();
        builder_.add(
            {.family = Family::Atomic, .atomic = spec::AtomicOp::Add, .size = 8, .fetch = random_.one_in(2)},
            kScratch, operand, at);
    }
    builder_.go(end);
    builder_.bind(absent);
    fill_register(0);
    refill_after_call();
    builder_.bind(end);
}

void Generator::update() {
    const std::uint32_t map = random_.one_in(3) ? kArray : kHash;
    const std::uint32_t value_size = result_.maps[map].shape.value_size;
    const Region source = region();
    if (source.bytes < value_size) return lookup();
    store_key(map);
    load_map(1, map);
    builder_.move(2, kFrame);
    builder_.alu_imm(AluOp::Add, 2, frame_.key);
    builder_.move(3, source.base);
    const auto room = (source.bytes - value_size) / 8;
    builder_.alu_imm(AluOp::Add, 3, source.offset + 8 * static_cast<std::int32_t>(random_.below(room + 1)));
    builder_.alu_imm(AluOp::Mov, 4, static_cast<std::int32_t>(random_.below(random_.one_in(5) ? 4 : 3)));
    builder_.call_helper(id(spec::HelperId::map_update_elem));
    refill_after_call();
}

void Generator::erase() {
    const std::uint32_t map = random_.one_in(8) ? kArray : kHash;
    store_key(map);
    load_map(1, map);
    builder_.move(2, kFrame);
    builder_.alu_imm(AluOp::Add, 2, frame_.key);
    builder_.call_helper(id(spec::HelperId::map_delete_elem));
    refill_after_call();
}

// What r0 holds after a tail call that failed is nobody's business.
void Generator::tail_call() {
    if (!is_main_ || !has_targets_) return lookup();
    const unsigned index = number();
    if (random_.one_in(2)) builder_.alu_imm(AluOp::And, index, 3);
    builder_.move(3, index);
    builder_.load(8, 1, kFrame, frame_.saved_context);
    load_map(2, kPrograms);
    builder_.call_helper(id(spec::HelperId::tail_call));
    fill_register(0);
    refill_after_call();
}

}  // namespace ebpf::oracle
