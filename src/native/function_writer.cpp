// SPDX-License-Identifier: MIT
// The body of one function: a statement for each instruction, labels where jumps lead.
#include <fmt/format.h>

#include <utility>

#include "isa/opposite.hpp"
#include "maps/array_layout.hpp"
#include "maps/hash_table.hpp"
#include "native/program_writer.hpp"
#include "spec/helpers.hpp"

namespace ebpf::native {
namespace {

using spec::Family;
using spec::Source;
using spec::WideKind;

constexpr std::int64_t kStackBytes = spec::kStackBytes;

// Loops that C compilers are asked to make straight code of.
constexpr std::uint64_t kMostRounds = 64;
constexpr std::uint64_t kMostStraight = 512;  ///< instructions of that code

std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
}

}  // namespace

std::unexpected<Fault> FunctionWriter::fault(Status status, std::string what) const {
    return std::unexpected(
        Fault{0, status, slot_, fmt::format("instruction {}: {}: {}", slot_, what, status_text(status))});
}

void FunctionWriter::line(std::string text) {
    if (!text.empty()) body_ += fmt::format("{:{}}{}\n", "", 4 * (open_.size() + 1), text);
}

/// Returns rn as a number. The frame pointer is no variable.
std::string FunctionWriter::read(std::uint8_t number) {
    if (number == spec::kFramePointer) return fmt::format("ebpf_address({})", frame(0));
    read_ = static_cast<std::uint16_t>(read_ | 1U << number);
    return fmt::format("r{}", number);
}

std::string FunctionWriter::write(std::uint8_t number) {
    written_ = static_cast<std::uint16_t>(written_ | 1U << number);
    return fmt::format("r{}", number);
}

Operand FunctionWriter::operand(const isa::Instruction& instruction) {
    if (form_->source == Source::Imm) return {{}, instruction.imm, false};
    return {read(instruction.src), 0, instruction.src == instruction.dst};
}

std::string FunctionWriter::bound(ebpf_native_binding_kind kind, std::uint32_t number) {
    has_image_ = true;
    return fmt::format("image->bound[{}]", program_.bind(kind, number, slot_));
}

/// The place `distance` bytes from r10.
std::string FunctionWriter::frame(std::int64_t distance) {
    has_stack_ = true;
    return fmt::format("stack + {}", kStackBytes + distance);
}

bool FunctionWriter::is_in_frame(const Value& value, std::int64_t offset, std::int64_t size) const {
    if (value.kind != Value::Kind::Frame) return false;
    const std::int64_t start = kStackBytes + value.number + offset;
    return start >= 0 && start + size <= kStackBytes;
}

/// The memory that an instruction accesses, as a pointer. What lies in the frame is named as such, so that
/// the C compiler sees which accesses meet.
std::string FunctionWriter::location(std::uint8_t number, std::int64_t offset, std::uint8_t size) {
    const Value& value = values_[number];
    if (is_in_frame(value, offset, size)) return frame(value.number + offset);
    std::string base = fmt::format("ebpf_pointer({})", read(number));
    if (offset == 0) return base;
    return fmt::format("{} {} {}", base, offset < 0 ? '-' : '+', offset < 0 ? -offset : offset);
}

/// Where r2 points to.
std::string FunctionWriter::key(std::size_t bytes) {
    const auto size = static_cast<std::int64_t>(bytes);
    return is_in_frame(values_[2], 0, size) ? frame(values_[2].number)
                                            : fmt::format("ebpf_pointer({})", read(2));
}

void FunctionWriter::note_source(std::uint32_t slot) {
    const auto& lines = input().lines;
    const verifier::SourceLine* found = nullptr;
    for (; next_line_ < lines.size() && lines[next_line_].slot <= slot; ++next_line_) {
        if (lines[next_line_].slot == slot) found = &lines[next_line_];
    }
    if (found == nullptr || (noted_ != nullptr && noted_->line == found->line && noted_->file == found->file))
        return;
    noted_ = found;
    line(fmt::format("/* {}:{}: {} */", c_comment(found->file), found->line, c_comment(found->text)));
}

std::string FunctionWriter::declarations() const {
    std::string text;
    const bool is_entry = function_.range.begin == 0;
    for (unsigned i = 0; i < spec::kFramePointer; ++i) {
        const unsigned mask = 1U << i;
        const bool is_parameter = !is_entry && (function_.parameters & mask) != 0;
        const bool is_used = ((read_ | written_) & mask) != 0;
        if (is_used && !is_parameter) {
            const char* initial = "0";
            if (is_entry && i == 1) initial = "ebpf_address(invocation->context)";
            if (is_entry && i == 2) initial = "invocation->r2";
            text += fmt::format("    uint64_t r{} = {};\n", i, initial);
        }
        if ((is_used || is_parameter) && (read_ & mask) == 0) text += fmt::format("    (void)r{};\n", i);
    }
    const bool reads_entry = is_entry && ((read_ | written_) & 6U) != 0;
    if (has_stack_) text += fmt::format("    uint8_t stack[{}] __attribute__((aligned(16)));\n", kStackBytes);
    if (!has_image_) text += "    (void)image;\n";
    if (!has_invocation_ && !reads_entry) text += "    (void)invocation;\n";
    return text;
}

std::expected<std::string, Fault> FunctionWriter::write() {
    const auto joins = values_at_joins(*input().code, function_.range);
    loops_ = find_loops(*input().code, function_.range);
    bool is_fallen_into = true;
    for (slot_ = function_.range.begin; slot_ < function_.range.end; ++slot_) {
        instruction_ = &(*input().code)[slot_];
        form_ = &instruction_->spec();
        if (form_->family == Family::WideTail) continue;
        parts_.emplace_back(slot_, std::exchange(body_, {}));
        open_loop(is_fallen_into);
        if (const auto known = joins.find(slot_); known != joins.end()) values_ = known->second;
        if (slot_ == skipped_) {
            is_fallen_into = false;
            continue;
        }
        note_source(slot_);
        if (!close_loop()) {
            if (const auto step = instruction(); !step) return std::unexpected(step.error());
        }
        native::step(values_, *instruction_);
        is_fallen_into = !form_->ends_block;
    }
    const bool sets_call_back = function_.range.begin == 0 && !program_.call_back_.empty();
    has_image_ = has_image_ || sets_call_back;
    has_invocation_ = has_invocation_ || sets_call_back;
    std::string text = declarations();
    if (sets_call_back) {
        text += fmt::format(
            "    invocation->call_back = {};\n    invocation->engine_state = (void*)(uintptr_t)image;\n",
            program_.call_back_);
    }
    for (const auto& [slot, before] : parts_) {
        text += before;
        // C wants a statement behind a label; what follows may be the end of a loop.
        if (targets_.contains(slot)) text += fmt::format("slot_{}:;\n", slot);
    }
    return text + body_;
}

std::string FunctionWriter::go_to(std::uint32_t slot) {
    targets_.insert(slot);
    return fmt::format("goto slot_{};", slot);
}

/// Begins the loop of which slot_ is the header. values_ are those of the instruction before, from which
/// control falls into the loop if `is_fallen_into`.
void FunctionWriter::open_loop(bool is_fallen_into) {
    const auto found = loops_.find(slot_);
    if (found == loops_.end()) return;
    const Loop& loop = found->second;
    const bool has_one_entry = is_fallen_into && !targets_.contains(slot_);
    const auto rounds = has_one_entry ? count_rounds(*input().code, loop, values_) : std::nullopt;
    if (rounds && loop.is_straight) {
        const std::uint64_t slots = loop.last - loop.header + 1U;
        if (*rounds <= kMostRounds && *rounds * slots <= kMostStraight)
            line(fmt::format("EBPF_UNROLL({})", *rounds));
    }
    line("do {");
    open_.push_back({loop, rounds.has_value()});
}

/// Ends loops with their test. Returns whether that is the instruction at hand.
bool FunctionWriter::close_loop() {
    if (open_.empty() || slot_ < open_.back().loop.test) return false;
    const OpenLoop innermost = open_.back();
    spec::FormSpec form = *form_;
    std::string text = "1";
    const bool is_left = innermost.loop.test != innermost.loop.last;
    if (form.family == Family::Branch) {
        // Where the upper half is 0, C compilers see more if they are not told to ignore it.
        if (innermost.is_counted) form.width = spec::Width::W64;
        const bool is_set = form.jump == spec::JumpOp::Set;
        if (is_left && !is_set) form.jump = isa::opposite(form.jump);
        const auto read_before = read_;
        const std::string left = read(instruction_->dst);
        const Condition condition = condition_of(form, left, operand(*instruction_));
        text = condition.text;
        if (condition.kind != Condition::Kind::Depends) {
            read_ = read_before;
            text = condition.kind == Condition::Kind::Always ? "1" : "0";
        }
        if (is_left && is_set) text = fmt::format("!({})", text);
    }
    open_.pop_back();
    line(fmt::format("}} while ({});", text));
    if (is_left) skipped_ = innermost.loop.last;
    return true;
}

FunctionWriter::Step FunctionWriter::instruction() {
    switch (form_->family) {
        case Family::WideTail:
            break;
        case Family::Alu:
        case Family::Negate:
        case Family::MoveSx:
        case Family::ByteOrder:
            compute();
            break;
        case Family::LoadImm64:
            return constant();
        case Family::Load:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::LoadAcquire:
        case Family::StoreRelease:
            memory();
            break;
        case Family::Atomic:
            atomic();
            break;
        case Family::PacketAbs:
        case Family::PacketInd:
            packet();
            break;
        case Family::Goto:
        case Family::Branch:
            branch();
            break;
        case Family::CallHelper:
            return call_helper();
        case Family::CallLocal:
            call_local();
            break;
        case Family::CallKfunc:
            return fault(Status::NotSupported, fmt::format("kfunc call {}", instruction_->imm));
        case Family::CallRegister:
            return fault(Status::NotSupported, fmt::format("indirect call {}", instruction_->imm));
        case Family::Exit:
            line(fmt::format("return {};", read(0)));
            break;
    }
    return {};
}

// What a register only contributes to itself does not count as read: compilers warn of it otherwise.
void FunctionWriter::compute() {
    const std::uint8_t dst = instruction_->dst;
    Values after = values_;
    native::step(after, *instruction_);
    if (is_in_frame(after[dst], 0, 0)) {
        line(fmt::format("{} = ebpf_address({});", write(dst), frame(after[dst].number)));
        return;
    }
    if (form_->family != Family::Alu) {
        const bool has_source = form_->family == Family::MoveSx && instruction_->src != dst;
        const std::string src = has_source ? read(instruction_->src) : write(dst);
        line(unary_statement(*form_, write(dst), src));
        return;
    }
    const bool is_same = form_->source == Source::Reg && instruction_->src == dst;
    const Operand second = is_same ? Operand{write(dst), 0, true} : operand(*instruction_);
    line(alu_statement(*form_, write(dst), second));
}

FunctionWriter::Step FunctionWriter::constant() {
    const auto imm = static_cast<std::uint64_t>(instruction_->imm);
    const std::string dst = write(instruction_->dst);
    if (form_->wide == WideKind::CodeAddress) {
        const std::int64_t target = isa::code_address_target(*instruction_, slot_);
        if (target == 0) return fault(Status::NotSupported, "address of the program");
        const Function& callee = program_.functions_.at(static_cast<std::uint32_t>(target));
        line(fmt::format("{} = {}; /* address of {} */", dst, callee.number, callee.name));
        return {};
    }
    const bool is_map = form_->wide == WideKind::MapIndex || form_->wide == WideKind::MapIndexValue;
    if (form_->wide == WideKind::Value) {
        line(fmt::format("{} = {:#x}ULL;", dst, imm));
        return {};
    }
    if (!is_map)
        return fault(Status::NotSupported,
                     fmt::format("unresolved wide immediate of kind {}", static_cast<unsigned>(form_->wide)));
    const auto index = static_cast<std::uint32_t>(imm);
    if (index >= input().maps.size()) return fault(Status::NotFound, fmt::format("map index {}", index));
    const std::string name = c_comment(input().maps[index].name);
    if (form_->wide == WideKind::MapIndex) {
        line(fmt::format("{} = {}; /* map {} */", dst, bound(EBPF_NATIVE_MAP_HANDLE, index), name));
        return {};
    }
    const std::uint64_t offset = imm >> 32U;
    line(fmt::format("{} = {} + {}; /* value of {} */", dst, bound(EBPF_NATIVE_MAP_VALUES, index), offset,
                     name));
    return {};
}

void FunctionWriter::memory() {
    const bool is_load = form_->writes_dst;
    const std::uint8_t base = is_load ? instruction_->src : instruction_->dst;
    const std::string place = location(base, instruction_->offset, form_->size);
    const unsigned bits = form_->size * 8U;
    const bool is_ordered = form_->family == Family::LoadAcquire || form_->family == Family::StoreRelease;
    if (!is_load) {
        const std::string value =
            form_->source == Source::Imm ? unsigned_text(instruction_->imm) : read(instruction_->src);
        line(fmt::format("ebpf_store{}{}({}, {});", is_ordered ? "_release" : "", bits, place, value));
        return;
    }
    const auto& accesses = input().accesses;
    const auto kind = slot_ < accesses.size() ? accesses[slot_] : verifier::AccessKind::None;
    // None: of several kinds of memory, or never reached.
    const bool may_be_shared = !accesses.empty() && values_[base].kind != Value::Kind::Frame &&
                               (kind == verifier::AccessKind::MapValue || kind == verifier::AccessKind::None);
    line(fmt::format("{} = ebpf_load{}{}{}({});", write(instruction_->dst),
                     is_ordered ? "_acquire" : (may_be_shared ? "_shared" : ""),
                     form_->family == Family::LoadSx ? "_sx" : "", bits, place));
}

void FunctionWriter::atomic() {
    const std::string place = location(instruction_->dst, instruction_->offset, form_->size);
    const std::string value = read(instruction_->src);
    const unsigned bits = form_->size * 8U;
    switch (form_->atomic) {
        case spec::AtomicOp::Add:
        case spec::AtomicOp::Or:
        case spec::AtomicOp::And:
        case spec::AtomicOp::Xor:
        case spec::AtomicOp::Xchg: {
            const std::string result = form_->fetch ? write(instruction_->src) + " = " : "";
            line(fmt::format("{}ebpf_atomic_{}{}({}, {});", result, form_->symbol, bits, place, value));
            return;
        }
        case spec::AtomicOp::Cmpxchg: {
            const std::string expected = read(0);
            line(fmt::format("{} = ebpf_atomic_cmpxchg{}({}, {}, {});", write(0), bits, place, expected,
                             value));
            return;
        }
    }
}

// The offset is summed in 32 bits, as Linux does. A load outside the packet ends the function with 0.
void FunctionWriter::packet() {
    has_invocation_ = true;
    const std::string offset =
        form_->family == Family::PacketAbs
            ? fmt::format("{}", instruction_->imm)
            : fmt::format("(int32_t)({} + {})", read(instruction_->src), unsigned_text(instruction_->imm));
    const unsigned bits = form_->size * 8U;
    line("{");
    line(fmt::format("    const uint8_t* bytes = ebpf_packet({}, invocation, {}, {});",
                     bound(EBPF_NATIVE_PACKET_BYTES, 0), offset, form_->size));
    line("    if (bytes == NULL) return 0;");
    const std::string loaded = fmt::format("ebpf_load{}(bytes)", bits);
    line(fmt::format("    {} = {};", write(0),
                     bits == 8 ? loaded : fmt::format("__builtin_bswap{0}((uint{0}_t){1})", bits, loaded)));
    line("}");
}

void FunctionWriter::branch() {
    const std::uint32_t target = target_of(*instruction_, slot_);
    if (form_->family == Family::Goto) {
        line(go_to(target));
        return;
    }
    const auto read_before = read_;
    const std::string left = read(instruction_->dst);
    const Condition condition = condition_of(*form_, left, operand(*instruction_));
    if (condition.kind == Condition::Kind::Depends) {
        line(fmt::format("if ({}) {}", condition.text, go_to(target)));
        return;
    }
    read_ = read_before;  // nothing that is written reads them
    if (condition.kind == Condition::Kind::Always) line(go_to(target));
}

/// Finds a value without the helper, where the map is known. Returns false if it cannot.
bool FunctionWriter::lookup_inline() {
    const Value& map = values_[1];
    if (map.kind != Value::Kind::Map || static_cast<std::uint64_t>(map.number) >= input().maps.size())
        return false;
    const auto index = static_cast<std::uint32_t>(map.number);
    const auto& [name, shape] = input().maps[index];
    if (shape.type == spec::MapType::Array) {
        const std::string number = key(sizeof(std::uint32_t));
        line(fmt::format("{} = ebpf_array_value({}, (uint32_t)ebpf_load32({}), {}U, {}U); /* lookup in {} */",
                         write(0), bound(EBPF_NATIVE_MAP_VALUES, index), number, shape.max_entries,
                         maps::array_stride(shape), c_comment(name)));
        return true;
    }
    if (shape.type != spec::MapType::Hash) return false;
    const std::string place = key(shape.key_size);
    if (shape.key_size == 4 || (shape.key_size >= 8 && shape.key_size <= maps::kMostShortKeyBytes)) {
        line(fmt::format("{} = ebpf_hash_value({}, {}, {}U, {}U); /* lookup in {} */", write(0),
                         bound(EBPF_NATIVE_MAP_TABLE, index), place, shape.key_size,
                         maps::bucket_bits(shape.max_entries), c_comment(name)));
        return true;
    }
    const std::string function = bound(EBPF_NATIVE_MAP_LOOKUP, index);
    const std::string handle = bound(EBPF_NATIVE_MAP_HANDLE, index);
    line(fmt::format("{} = ebpf_map_value({}, {}, {}); /* lookup in {} */", write(0), function, handle, place,
                     c_comment(name)));
    return true;
}

FunctionWriter::Step FunctionWriter::call_helper() {
    const auto id = static_cast<std::uint32_t>(instruction_->imm);
    const spec::HelperSpec* row = spec::find_helper(id);
    if (id == static_cast<std::uint32_t>(spec::HelperId::map_lookup_elem) && lookup_inline()) return {};
    std::string arguments;
    for (std::uint8_t i = 1; i <= 5; ++i) {
        const bool is_used = row == nullptr || row->arguments[i - 1U] != spec::ArgKind::None;
        arguments += (is_used ? read(i) : "0") + ", ";
    }
    has_invocation_ = true;
    line(fmt::format("{} = ebpf_helper({})({}invocation); /* {} */", write(0), bound(EBPF_NATIVE_HELPER, id),
                     arguments, row == nullptr ? "unknown" : row->name));
    if (row == nullptr || !row->effects.tail_call) return {};
    if (function_.range.begin != 0) return fault(Status::NotSupported, "tail call out of a subprogram");
    line("if (invocation->tail_target != NULL) return 0;");
    return {};
}

void FunctionWriter::call_local() {
    const Function& callee = program_.functions_.at(target_of(*instruction_, slot_));
    has_image_ = true;
    has_invocation_ = true;
    std::string arguments;
    for (std::uint8_t i = 1; i <= 5; ++i) {
        if ((callee.parameters & (1U << i)) != 0) arguments += ", " + read(i);
    }
    line(fmt::format("{} = {}(image, invocation{});", write(0), callee.name, arguments));
}

}  // namespace ebpf::native
