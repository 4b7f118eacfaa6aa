// SPDX-License-Identifier: MIT
// Programs and subprograms around the statements.
#include "generator.hpp"

#include "generator_parts.hpp"

namespace ebpf::oracle {
namespace {

/// A number whose bytes are written to memory.
void append(Bytes& bytes, std::uint64_t number, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(number >> (8 * i)));
}

}  // namespace

Generated Generator::generate() {
    result_.type = options_.type;
    const bool is_packet = options_.type != spec::ProgramType::Memory;
    fill(result_.memory, kRegionBytes + (is_packet ? random_.below(64) : 0));
    has_targets_ = options_.allows_tail_calls && random_.one_in(3);
    choose_maps();
    constexpr std::uint32_t kShort = 20;
    constexpr std::uint32_t kLong = 90;
    static_cast<Body&>(result_) = program(6 + random_.below(random_.one_in(10) ? kLong : kShort));
    if (has_targets_) {
        const std::uint32_t count = 1 + random_.below(2);
        for (std::uint32_t i = 0; i < count; ++i) result_.targets.push_back({kPrograms, i, program(3)});
    }
    return std::move(result_);
}

void Generator::choose_maps() {
    const auto add = [this](spec::MapType type, std::uint32_t key, std::uint32_t value,
                            std::uint32_t entries) {
        result_.maps.push_back({{type, key, value, entries, 0}, {}});
    };
    const std::vector<std::uint32_t> values{1, 2, 4, 8, 12, 16, 24, 40, 48};
    const std::vector<std::uint32_t> keys{4, 4, 8, 8, 1, 2, 6, 12, 16, kMostKeyBytes};
    add(spec::MapType::Array, 4, kMapValueBytes, 1);
    const std::uint32_t array_entries = 1 + random_.below(6);
    add(spec::MapType::Array, 4, random_.of(values), array_entries);
    const std::uint32_t hash_entries = 1 + random_.below(6);
    const std::uint32_t hash_value = random_.of(values);
    add(spec::MapType::Hash, random_.of(keys), hash_value, hash_entries);
    if (has_targets_) add(spec::MapType::ProgArray, 4, 4, 3);
    for (MapSetup& map : result_.maps) {
        if (map.shape.type == spec::MapType::ProgArray) continue;
        const bool is_array = map.shape.type == spec::MapType::Array;
        const std::uint32_t count =
            is_array ? map.shape.max_entries : random_.below(map.shape.max_entries + 1);
        for (std::uint32_t i = 0; i < count; ++i) {
            Bytes key;
            append(key, i, std::min<std::size_t>(map.shape.key_size, 8));
            key.resize(map.shape.key_size);
            Bytes value;
            fill(value, map.shape.value_size);
            map.contents.push_back({std::move(key), std::move(value)});
        }
    }
}

// Half of the words are numbers at which operators change what they do.
void Generator::fill(Bytes& bytes, std::size_t count) {
    while (bytes.size() < count) append(bytes, random_.one_in(2) ? random_.edge() : random_.bits(), 8);
    bytes.resize(count);
}

Body Generator::program(std::uint32_t statement_count) {
    builder_ = Builder();
    context_slots_.clear();
    regions_.clear();
    frame_ = kMainFrame;
    is_main_ = true;
    is_callback_ = false;
    first_callable_ = 0;
    subprograms_.assign(random_.below(4), 0);
    is_called_.assign(subprograms_.size(), false);
    callers_.assign(subprograms_.size(), Caller::Program);
    for (Caller& caller : callers_) {
        // The kernel wants type information of callbacks.
        if (options_.is_for_kernel || !random_.one_in(2)) continue;
        caller = random_.one_in(3) ? Caller::ForEachElement : Caller::Loop;
    }
    for (Builder::Label& label : subprograms_) label = builder_.make_label();
    exit_ = builder_.make_label();
    open_program();
    statements(statement_count);
    for (std::size_t i = 0; i < subprograms_.size(); ++i) {
        if (!is_called_[i]) call_subprogram(i);  // code that nothing reaches is refused
    }
    fold();
    builder_.bind(exit_);
    builder_.leave();
    for (std::size_t i = 0; i < subprograms_.size(); ++i) subprogram(i);
    return {builder_.finish(), context_slots_};
}

void Generator::open_program() {
    builder_.store(8, kFrame, frame_.saved_context, 1);
    find_region();
    find_map_value();
    numbers_ = {0, 2, 3, 4, 5, 8, kCounter};
    fill_stack(false);
    builder_.store(8, kFrame, frame_.saved_map_value, kMapValue);
    if (!is_socket_filter()) {
        builder_.store(8, kFrame, frame_.saved_region, kRegion);
        const bool is_packet = options_.type == spec::ProgramType::Xdp;
        add_region({kRegion, 0, kRegionBytes, !is_packet, false, is_packet});
    }
    add_region({kMapValue, 0, kMapValueBytes, true, false, false});
    add_region(
        {kFrame, frame_.numbers_begin, static_cast<std::uint32_t>(frame_.numbers_bytes), true, true, false});
    fill_registers();
}

void Generator::find_region() {
    builder_.move(kRegion, 1);
    if (options_.type != spec::ProgramType::Xdp) return;
    builder_.alu_imm(AluOp::Mov, 0, 2);
    context_slots_.push_back(builder_.slot());
    builder_.load(4, kRegion, 1, 0);
    context_slots_.push_back(builder_.slot());
    builder_.load(4, 3, 1, 4);
    builder_.move(2, kRegion);
    builder_.alu_imm(AluOp::Add, 2, static_cast<std::int32_t>(kRegionBytes));
    builder_.branch(JumpOp::Gt, 2, 3, exit_);
}

void Generator::find_map_value() {
    if (random_.one_in(3)) {
        builder_.add({.family = Family::LoadImm64, .wide = spec::WideKind::MapIndexValue}, kMapValue);
        return;
    }
    builder_.alu_imm(AluOp::Mov, 1, 0);
    builder_.store(4, kFrame, -4, 1);
    load_map(1, kValues);
    builder_.move(2, kFrame);
    builder_.alu_imm(AluOp::Add, 2, -4);
    builder_.call_helper(static_cast<std::int32_t>(spec::HelperId::map_lookup_elem));
    builder_.branch_imm(JumpOp::Eq, 0, 0, exit_);
    builder_.move(kMapValue, 0);
}

// Numbers, from the arguments in r8 and r2 if there are any, and a key of zeros.
void Generator::fill_stack(bool has_arguments) {
    for (std::int32_t at = frame_.numbers_begin; at < frame_.numbers_begin + frame_.numbers_bytes; at += 8) {
        if (has_arguments) {
            builder_.store(8, kFrame, at, random_.one_in(2) ? 8 : 2);
        } else if (random_.one_in(4)) {
            builder_.constant(0, random_.edge());
            builder_.store(8, kFrame, at, 0);
        } else {
            builder_.add({.family = Family::StoreImm, .source = Source::Imm, .size = 8}, kFrame, 0, at,
                         static_cast<std::int32_t>(random_.edge()));
        }
    }
    for (std::int32_t at = 0; at < static_cast<std::int32_t>(kMostKeyBytes); at += 8) {
        builder_.add({.family = Family::StoreImm, .source = Source::Imm, .size = 8}, kFrame, 0,
                     frame_.key + at);
    }
}

void Generator::fill_registers() {
    for (const unsigned number : numbers_) fill_register(number);
}

// Mostly values that nobody knows beforehand, else the verifier would just compute.
void Generator::fill_register(unsigned number) {
    if (random_.below(4) == 0 || regions_.empty()) {
        builder_.constant(number, random_.edge());
        return;
    }
    const Region& from = region();
    const auto size = static_cast<std::uint8_t>(1U << random_.below(4));
    builder_.load(size, number, from.base, place(from, size));
}

// All numbers go into r0; its high half too, as the kernel returns 32 bits only.
void Generator::fold() {
    for (const unsigned number : numbers_) {
        if (number != 0) builder_.alu(random_.one_in(2) ? AluOp::Xor : AluOp::Add, 0, number);
    }
    builder_.move(2, 0);
    builder_.alu_imm(AluOp::Rsh, 2, 32);
    builder_.alu(AluOp::Xor, 0, 2);
}

// A subprogram takes numbers in r1, r2 and r5, kRegionBytes of the caller's memory in r3, and 16 bytes of any
// of the caller's memory in r4. A callback takes those 16 bytes as its context, and what its helper gives it.
void Generator::open_subprogram(Caller caller) {
    const bool is_packet = options_.type == spec::ProgramType::Xdp;
    const std::uint32_t value_size = result_.maps[kArray].shape.value_size;
    builder_.move(kMapValue, caller == Caller::Loop ? 2 : 4);
    if (caller != Caller::Loop) builder_.move(kRegion, 3);
    if (caller == Caller::ForEachElement) {
        builder_.load(1, 8, kRegion, 0);  // not the key, which lies in the helper: observers do not know it
    } else {
        builder_.move(8, 1);
    }
    if (caller != Caller::Program) builder_.move(2, 8);
    builder_.move(0, 2);
    builder_.move(kCounter, caller == Caller::Program ? 5 : 8);
    fill_stack(true);
    add_region(
        {kFrame, frame_.numbers_begin, static_cast<std::uint32_t>(frame_.numbers_bytes), true, true, false});
    if (caller == Caller::Program) add_region({kRegion, 0, kRegionBytes, !is_packet, false, is_packet});
    if (caller == Caller::ForEachElement && value_size >= 8)
        add_region({kRegion, 0, value_size, true, false, false});
    add_region({kMapValue, 0, 16, true, true, false});
}

void Generator::subprogram(std::size_t index) {
    builder_.bind(subprograms_[index]);
    frame_ = kCalleeFrame;
    is_main_ = false;
    is_callback_ = callers_[index] != Caller::Program;
    first_callable_ = index + 1;
    numbers_ = {0, 2, 4, 5, 8, kCounter};
    regions_.clear();
    open_subprogram(callers_[index]);
    for (const unsigned number : {0U, 2U, 4U, 5U}) {
        if (number != 0 || random_.one_in(2)) fill_register(number);
    }
    statements(random_.one_in(3) ? 1 : 3 + random_.below(8));
    builder_.alu(AluOp::Xor, 0, 8);
    if (is_callback_) builder_.alu_imm(AluOp::And, 0, random_.one_in(2) ? 0 : 1);
    builder_.leave();
}

Generated generate(std::uint64_t seed, const Options& options) {
    return Generator(seed, options).generate();
}

}  // namespace ebpf::oracle
