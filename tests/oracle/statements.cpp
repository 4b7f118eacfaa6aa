// SPDX-License-Identifier: MIT
// Statements about numbers and control flow.
#include "generator_parts.hpp"

namespace ebpf::oracle {
namespace {

const std::vector<spec::Form>& arithmetic_forms() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::Alu || form.family == Family::Negate || form.family == Family::MoveSx ||
               form.family == Family::ByteOrder;
    });
    return kForms;
}

bool is_division_op(AluOp op) {
    return op == AluOp::Div || op == AluOp::SDiv || op == AluOp::Mod || op == AluOp::SMod;
}

const std::vector<spec::Form>& division_forms() {
    static const auto kForms = forms_where([](const FormSpec& form) {
        return form.family == Family::Alu && is_division_op(form.alu) && form.source == Source::Reg;
    });
    return kForms;
}

const std::vector<spec::Form>& branch_forms() {
    static const auto kForms =
        forms_where([](const FormSpec& form) { return form.family == Family::Branch; });
    return kForms;
}

constexpr unsigned kMostForks = 3;
constexpr unsigned kMostLoops = 2;

}  // namespace

void Generator::statements(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) statement();
}

void Generator::statement() {
    using Kind = void (Generator::*)();
    // As often as it is listed.
    static constexpr Kind kKinds[] = {
        &Generator::arithmetic,     &Generator::arithmetic,    &Generator::arithmetic,
        &Generator::division,       &Generator::access,        &Generator::access,
        &Generator::access,         &Generator::masked_access, &Generator::compared_access,
        &Generator::packet_access,  &Generator::fork,          &Generator::fork,
        &Generator::chain,          &Generator::loop,          &Generator::data_loop,
        &Generator::call,           &Generator::call,          &Generator::spill,
        &Generator::atomic,         &Generator::atomic,        &Generator::either_pointer,
        &Generator::map_statement,  &Generator::map_statement, &Generator::map_statement,
        &Generator::idiom,          &Generator::idiom,         &Generator::idiom,
        &Generator::context_access, &Generator::helper_number};
    constexpr auto kCount = static_cast<std::uint32_t>(std::size(kKinds));
    (this->*kKinds[random_.below(kCount)])();
}

Generator::Operand Generator::branch_operand(const FormSpec& form) {
    if (form.source == Source::Reg) return {number(), 0};
    return {0, static_cast<std::int32_t>(random_.edge())};
}

unsigned Generator::other_number(unsigned first) {
    unsigned second = number();
    while (second == first) second = number();
    return second;
}

void Generator::arithmetic() {
    const spec::Form form = random_.of(arithmetic_forms());
    const FormSpec& spec = spec::form_spec(form);
    auto imm = static_cast<std::int32_t>(random_.edge());
    const bool is_shift = spec.alu == AluOp::Lsh || spec.alu == AluOp::Rsh || spec.alu == AluOp::Arsh;
    // The kernel refuses these two as constants.
    if (is_shift) imm = static_cast<std::int32_t>(random_.below(spec.width == Width::W64 ? 64 : 32));
    if (is_division_op(spec.alu) && imm == 0) imm = 3;
    const bool has_imm = spec.source == Source::Imm;
    const unsigned operand = spec.source == Source::Reg ? number() : 0;
    builder_.add(form, number(), operand, 0, has_imm ? imm : 0);
}

// With operands at which division is special: 0, 1, -1, the least number; half of the time behind a branch,
// so that nobody knows which.
void Generator::division() {
    static const std::vector<std::uint64_t> kOperands{0,          1,          2,          ~0ULL,
                                                      0x80000000, 0xffffffff, 0x7fffffff, 0xffffffff80000000,
                                                      1ULL << 63, 1ULL << 32, 10,         ~9ULL};
    const unsigned dividend = number();
    const unsigned divisor = other_number(dividend);
    const Builder::Label skip = builder_.make_label();
    const bool is_known = random_.one_in(2);
    if (!is_known) {
        const auto bound = static_cast<std::int32_t>(random_.edge());
        builder_.branch_imm(JumpOp::SGt, number(), bound, skip);
    }
    if (random_.one_in(2)) builder_.constant(divisor, random_.of(kOperands));
    if (random_.one_in(2)) builder_.constant(dividend, random_.of(kOperands));
    builder_.bind(skip);
    builder_.add(random_.of(division_forms()), dividend, divisor);
}

void Generator::fork() {
    if (depth_ >= kMostForks) return arithmetic();
    ++depth_;
    const FormSpec& spec = spec::form_spec(random_.of(branch_forms()));
    const Builder::Label otherwise = builder_.make_label();
    const Builder::Label end = builder_.make_label();
    const Operand second = branch_operand(spec);
    builder_.jump(spec, otherwise, number(), second.source, second.imm);
    statements(1 + random_.below(3));
    builder_.go(end);
    builder_.bind(otherwise);
    statements(random_.below(3));
    builder_.bind(end);
    --depth_;
}

// Comparisons of one number, of both widths, that lead to few places: like a switch, or a condition with &&
// and ||. The first one's place is behind a jump: code that nothing reaches is refused.
void Generator::chain() {
    if (depth_ >= kMostForks) return arithmetic();
    ++depth_;
    const unsigned subject = number();
    const Builder::Label first = builder_.make_label();
    const Builder::Label second = builder_.make_label();
    const Builder::Label end = builder_.make_label();
    const std::uint32_t count = 2 + random_.below(4);
    for (std::uint32_t i = 0; i < count; ++i) {
        const FormSpec& spec = spec::form_spec(random_.of(branch_forms()));
        const Operand operand = branch_operand(spec);
        const bool is_first = i == 0 || random_.one_in(2);
        builder_.jump(spec, is_first ? first : second, subject, operand.source, operand.imm);
    }
    statement();
    builder_.go(end);
    builder_.bind(first);
    arithmetic();
    builder_.bind(second);
    arithmetic();
    builder_.bind(end);
    --depth_;
}

void Generator::loop() {
    if (std::ranges::find(numbers_, kCounter) == numbers_.end() || depth_ >= kMostLoops) return arithmetic();
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

// As many rounds as the data says; half of the loops can also be left early.
void Generator::data_loop() {
    if (std::ranges::find(numbers_, kCounter) == numbers_.end() || depth_ >= 1) return arithmetic();
    depth_ += kMostLoops;  // what is inside gets no loops of its own
    builder_.alu_imm(AluOp::And, kCounter, 7);
    std::erase(numbers_, kCounter);
    const Builder::Label again = builder_.make_label();
    const Builder::Label end = builder_.make_label();
    builder_.bind(again);
    builder_.branch_imm(JumpOp::Eq, kCounter, 0, end);
    builder_.alu_imm(AluOp::Add, kCounter, -1);
    statements(1 + random_.below(2));
    if (random_.one_in(2)) {
        const auto bits = static_cast<std::int32_t>(random_.edge());
        builder_.branch_imm(JumpOp::Set, number(), bits, end);
    }
    builder_.go(again);
    builder_.bind(end);
    numbers_.push_back(kCounter);
    depth_ -= kMostLoops;
}

void Generator::call() {
    const std::size_t count = subprograms_.size();
    if (first_callable_ >= count || depth_ >= kMostForks) return arithmetic();
    const auto choice = random_.below(static_cast<std::uint32_t>(count - first_callable_));
    // Callbacks are not given what other subprograms take.
    if (is_callback_ && callers_[first_callable_ + choice] == Caller::Program) return arithmetic();
    call_subprogram(first_callable_ + choice);
}

void Generator::call_subprogram(std::size_t index) {
    if (callers_[index] != Caller::Program) return call_by_helper(index);
    is_called_[index] = true;
    const unsigned first = number();
    if (const unsigned fifth = number(); fifth != 5) builder_.move(5, fifth);
    builder_.move(1, first);
    if (const unsigned second = number(); second != 2) builder_.move(2, second);
    builder_.move(3, is_main_ && is_socket_filter() ? kMapValue : kRegion);
    pass_memory(4);
    builder_.jump({.family = Family::CallLocal}, subprograms_[index]);
    refill_after_call();
}

// The address of 16 bytes, whose kind may differ from call to call.
void Generator::pass_memory(unsigned to) {
    const bool is_stack = random_.one_in(2);
    builder_.move(to, is_stack ? kFrame : kMapValue);
    if (is_stack) {
        const auto words = static_cast<std::uint32_t>(frame_.numbers_bytes) / 8 - 1;
        builder_.alu_imm(AluOp::Add, to,
                         frame_.numbers_begin + 8 * static_cast<std::int32_t>(random_.below(words)));
    } else if (is_main_) {
        builder_.alu_imm(AluOp::Add, to,
                         8 * static_cast<std::int32_t>(random_.below(kMapValueBytes / 8 - 1)));
    }
}

// A few rounds, or the elements of the array. Now and then a flag, which helpers refuse: not in the only
// call, as code that nothing reaches is refused.
void Generator::call_by_helper(std::size_t index) {
    const bool is_called = is_called_[index];
    is_called_[index] = true;
    const bool is_loop = callers_[index] == Caller::Loop;
    if (is_loop) {
        builder_.move(1, number());
        builder_.alu_imm(AluOp::And, 1, 6);
        builder_.alu_imm(AluOp::Add, 1, 1);
    } else {
        load_map(1, kArray);
    }
    pass_memory(3);
    const auto load_function = [&] {
        builder_.jump({.family = Family::LoadImm64, .wide = spec::WideKind::CodeAddress}, subprograms_[index],
                      2);
    };
    load_function();
    if (random_.one_in(2)) {  // whoever would expand the helper does not see so easily which function it is
        const Builder::Label skip = builder_.make_label();
        builder_.branch_imm(JumpOp::SGt, 0, static_cast<std::int32_t>(random_.edge()), skip);
        load_function();
        builder_.bind(skip);
    }
    builder_.alu_imm(AluOp::Mov, 4, is_called && random_.one_in(20) ? 1 : 0);
    using enum spec::HelperId;
    builder_.call_helper(static_cast<std::int32_t>(is_loop ? loop : for_each_map_elem));
    refill_after_call();
}

// A call leaves r0 defined and r1..r5 not.
void Generator::refill_after_call() {
    for (const unsigned number : numbers_) {
        if (number >= 2 && number <= 5) fill_register(number);
    }
}

void Generator::helper_number() {
    if (options_.is_for_kernel) return arithmetic();
    using enum spec::HelperId;
    static const std::vector<spec::HelperId> kHelpers{get_prandom_u32, ktime_get_ns, get_smp_processor_id};
    builder_.call_helper(static_cast<std::int32_t>(random_.of(kHelpers)));
    refill_after_call();
}

}  // namespace ebpf::oracle
