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
// Of loops of so many instructions each round does two; C compilers see to smaller ones.
constexpr std::uint64_t kLeastDoubled = 24;
constexpr std::uint64_t kMostDoubled = 64;

std::uint32_t target_of(const isa::Instruction& instruction, std::uint32_t slot) {
    return static_cast<std::uint32_t>(isa::jump_target(instruction, instruction.spec(), slot));
}

/// The name of what a part of the frame is kept in.
std::string part_name(const Part& part) {
    return fmt::format("frame_{}_{}", part.start, part.size * 8);
}

}  // namespace

std::unexpected<Fault> FunctionWriter::fault(Status status, std::string what) const {
    return std::unexpected(
        Fault{0, status, slot_, fmt::format("instruction {}: {}: {}", slot_, what, status_text(status))});
}

void FunctionWriter::line(std::string text) {
    if (!text.empty()) body_ += fmt::format("{:{}}{}\n", "", 4 * (open_.size() + 1), text);
}

std::string FunctionWriter::variable(Type type, std::uint8_t number) const {
    constexpr std::array<char, kTypeCount> kPrefixes{'r', 'w', 'p'};
    return fmt::format("{}{}", kPrefixes.at(static_cast<std::size_t>(type)), number);
}

/// What the instruction reads in rn. The frame pointer is no variable.
Operand FunctionWriter::value(std::uint8_t number) {
    if (number == spec::kFramePointer) return {fmt::format("ebpf_address({})", frame(0))};
    const Type type = variables_.read(number);
    std::uint16_t& read = read_.at(static_cast<std::size_t>(type));
    read = static_cast<std::uint16_t>(read | 1U << number);
    std::string name = variable(type, number);
    if (type == Type::Pointer) return {fmt::format("ebpf_address({})", name)};
    return {std::move(name), 0, false, type == Type::Narrow};
}

/// The same as a pointer.
std::string FunctionWriter::pointer(std::uint8_t number) {
    if (number == spec::kFramePointer) return frame(0);
    const Operand read = value(number);
    return variables_.read(number) == Type::Pointer ? variable(Type::Pointer, number)
                                                    : fmt::format("ebpf_pointer({})", read.expression);
}

/// The second operand.
Operand FunctionWriter::operand() {
    if (form_->source == Source::Imm) return {{}, instruction_->imm};
    Operand read = value(instruction_->src);
    read.is_same = instruction_->src == instruction_->dst;
    return read;
}

/// The variable that the instruction writes.
std::string FunctionWriter::result() {
    const std::uint8_t number = written_register(*instruction_);
    const Type type = variables_.written();
    std::uint16_t& written = written_.at(static_cast<std::size_t>(type));
    written = static_cast<std::uint16_t>(written | 1U << number);
    return variable(type, number);
}

/// Stores a number, which fits.
void FunctionWriter::store_number(const std::string& expression, std::string_view comment) {
    const bool is_pointer = variables_.written() == Type::Pointer;
    const std::string text = is_pointer ? fmt::format("ebpf_pointer({})", expression) : expression;
    line(fmt::format("{} = {};{}", result(), text, comment));
}

void FunctionWriter::store_pointer(const std::string& expression, std::string_view comment) {
    const bool is_pointer = variables_.written() == Type::Pointer;
    const std::string text = is_pointer ? expression : fmt::format("ebpf_address({})", expression);
    line(fmt::format("{} = {};{}", result(), text, comment));
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
    std::string base = pointer(number);
    if (offset == 0) return base;
    return fmt::format("{} {} {}", base, offset < 0 ? '-' : '+', offset < 0 ? -offset : offset);
}

/// The bytes of the frame from `start` on as a number, put together from what was stored; empty if that is
/// not known.
std::string FunctionWriter::frame_word(std::int64_t start, std::uint8_t size) {
    const std::vector<Part> parts = frame_parts_.find(start, size);
    wanted_.insert(parts.begin(), parts.end());
    std::string text;
    for (const Part& part : parts) {
        if (!kept_.contains(part)) return {};
        const auto shift = (part.start - static_cast<std::uint64_t>(start)) * 8;
        text += shift == 0 ? fmt::format("(uint64_t){}", part_name(part))
                           : fmt::format(" | (uint64_t){} << {}", part_name(part), shift);
    }
    return parts.empty() ? text : fmt::format("({})", text);
}

/// The number of `size` bytes at rn + offset.
std::string FunctionWriter::word(std::int64_t offset, std::uint8_t size, std::uint8_t number) {
    const Value& base = values_[number];
    if (is_in_frame(base, offset, size)) {
        const std::string known = frame_word(kStackBytes + base.number + offset, size);
        if (!known.empty()) return known;
    }
    return fmt::format("ebpf_load{}({})", size * 8, location(number, offset, size));
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

/// Declares a variable if it is used, and says so if it is never read, for compilers would warn of that.
std::string FunctionWriter::declaration(Type type, std::uint8_t number) const {
    constexpr std::array<const char*, kTypeCount> kTypes{"uint64_t ", "uint32_t ", "uint8_t* "};
    const auto index = static_cast<std::size_t>(type);
    const unsigned mask = 1U << number;
    const bool is_entry = function_.range.begin == 0;
    const bool is_parameter = !is_entry && type == Type::Wide && (function_.parameters & mask) != 0;
    const bool is_used = ((read_.at(index) | written_.at(index)) & mask) != 0;
    if (!is_used && !is_parameter) return {};
    const std::string name = variable(type, number);
    std::string text;
    if (!is_parameter) {
        const char* initial = type == Type::Pointer ? "NULL" : "0";
        const bool is_first = is_entry && variables_.at_entry(number) == type;
        if (is_first && number == 1)
            initial = type == Type::Pointer ? "invocation->context" : "ebpf_address(invocation->context)";
        if (is_first && number == 2) initial = "invocation->r2";
        text = fmt::format("    {}{} = {};\n", kTypes.at(index), name, initial);
    }
    if ((read_.at(index) & mask) == 0) text += fmt::format("    (void){};\n", name);
    return text;
}

std::string FunctionWriter::declarations() const {
    std::string text;
    for (std::uint8_t number = 0; number < spec::kFramePointer; ++number) {
        for (const Type type : {Type::Wide, Type::Narrow, Type::Pointer}) text += declaration(type, number);
    }
    for (const Part& part : kept_)
        text += fmt::format("    uint{}_t {} = 0;\n", part.size * 8, part_name(part));
    const bool reads_entry = text.contains("invocation->");
    if (has_stack_) text += fmt::format("    uint8_t stack[{}] __attribute__((aligned(16)));\n", kStackBytes);
    if (!has_image_) text += "    (void)image;\n";
    if (!has_invocation_ && !reads_entry) text += "    (void)invocation;\n";
    return text;
}

std::expected<std::string, Fault> FunctionWriter::write() {
    loops_ = find_loops(*input().code, function_.range);
    bool is_fallen_into = true;
    for (slot_ = function_.range.begin; slot_ < function_.range.end; ++slot_) {
        instruction_ = &(*input().code)[slot_];
        form_ = &instruction_->spec();
        if (form_->family == Family::WideTail) continue;
        variables_.enter(slot_);
        frame_parts_.enter(slot_);
        parts_.emplace_back(slot_, std::exchange(body_, {}));
        open_loop(is_fallen_into);
        if (const auto known = joins_.find(slot_); known != joins_.end()) values_ = known->second;
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
        if (*rounds <= kMostRounds && *rounds * slots <= kMostStraight) {
            line(fmt::format("EBPF_UNROLL({})", *rounds));
            has_straight_loop_ = true;
        } else if (slots >= kLeastDoubled && slots <= kMostDoubled && *rounds % 2 == 0) {
            line("EBPF_UNROLL(2)");
        }
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
        const Operand left = value(instruction_->dst);
        const Condition condition = condition_of(form, left, operand());
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
            leave();
            break;
    }
    return {};
}

/// C compilers would calculate all that leads to a narrow result with 64 bits, since that is what is
/// returned: with a loop made straight, that is a lot.
void FunctionWriter::leave() {
    const Operand left = value(0);
    const bool is_kept_narrow = left.is_narrow && has_straight_loop_ && function_.range.begin == 0;
    const std::string text =
        is_kept_narrow ? fmt::format("ebpf_narrow({})", left.expression) : left.expression;
    line(fmt::format("return {};", text));
}

// What a variable only contributes to itself does not count as read: compilers warn of it otherwise.
void FunctionWriter::compute() {
    const std::uint8_t dst = instruction_->dst;
    Values after = values_;
    native::step(after, *instruction_);
    const Type type = variables_.written();
    if (is_in_frame(after[dst], 0, 0)) {
        store_pointer(frame(after[dst].number));
        return;
    }
    if (type == Type::Pointer) {
        compute_pointer();
        return;
    }
    if (form_->family == Family::MoveSx) {
        const Operand from = value(instruction_->src);
        line(unary_statement(*form_, result(), from));
        return;
    }
    const bool is_same = form_->source == Source::Reg && instruction_->src == dst;
    const bool is_move = form_->family == Family::Alu && form_->alu == spec::AluOp::Mov;
    const auto read_before = read_;
    Operand left;
    if (!is_move || is_same) left = value(dst);
    if (variables_.read(dst) == type) read_ = read_before;
    if (form_->family != Family::Alu) {
        line(unary_statement(*form_, result(), left));
        return;
    }
    Operand right = is_same ? left : operand();
    right.is_same = is_same;
    spec::FormSpec form = *form_;
    const bool is_bitwise = form.alu == spec::AluOp::And || form.alu == spec::AluOp::Or ||
                            form.alu == spec::AluOp::Xor || form.alu == spec::AluOp::Mov;
    // What has no upper half needs none of its operands'.
    if (type == Type::Narrow && is_bitwise) form.width = spec::Width::W32;
    const std::string text = alu_statement(form, result(), left, right);
    // Divided by the constant 0 it does not matter.
    if (form.source == Source::Imm && !text.contains(left.expression)) read_ = read_before;
    line(text);
}

/// Moves of addresses, sums of an address and a number, and 0.
void FunctionWriter::compute_pointer() {
    const std::uint8_t dst = instruction_->dst;
    const std::uint8_t src = instruction_->src;
    const bool is_register = form_->source == Source::Reg;
    if (form_->alu == spec::AluOp::Mov) {
        const std::string from = is_register ? pointer(src) : "NULL";
        const std::string to = result();
        if (from != to) line(fmt::format("{} = {};", to, from));
        return;
    }
    const bool is_second = variables_.read(dst) != Type::Pointer;
    const auto read_before = read_;
    const std::string base = pointer(is_second ? src : dst);
    const std::string to = result();
    if (base == to) read_ = read_before;
    const char* symbol = form_->alu == spec::AluOp::Sub ? "-" : "+";
    std::string distance;
    if (is_register) {
        distance = value(is_second ? dst : src).wide();
    } else {
        const std::int64_t imm = instruction_->imm;
        if (imm < 0) symbol = form_->alu == spec::AluOp::Sub ? "+" : "-";
        distance = fmt::format("{}", imm < 0 ? -imm : imm);
    }
    line(base == to ? fmt::format("{} {}= {};", to, symbol, distance)
                    : fmt::format("{} = {} {} {};", to, base, symbol, distance));
}

FunctionWriter::Step FunctionWriter::constant() {
    const auto imm = static_cast<std::uint64_t>(instruction_->imm);
    if (form_->wide == WideKind::CodeAddress) {
        const std::int64_t target = isa::code_address_target(*instruction_, slot_);
        if (target == 0) return fault(Status::NotSupported, "address of the program");
        const Function& callee = program_.functions_.at(static_cast<std::uint32_t>(target));
        line(fmt::format("{} = {}; /* address of {} */", result(), callee.number, callee.name));
        return {};
    }
    const bool is_map = form_->wide == WideKind::MapIndex || form_->wide == WideKind::MapIndexValue;
    if (form_->wide == WideKind::Value) {
        store_number(fmt::format("{:#x}ULL", imm));
        return {};
    }
    if (!is_map)
        return fault(Status::NotSupported,
                     fmt::format("unresolved wide immediate of kind {}", static_cast<unsigned>(form_->wide)));
    const auto index = static_cast<std::uint32_t>(imm);
    if (index >= input().maps.size()) return fault(Status::NotFound, fmt::format("map index {}", index));
    const std::string name = c_comment(input().maps[index].name);
    if (form_->wide == WideKind::MapIndex) {
        line(fmt::format("{} = {}; /* map {} */", result(), bound(EBPF_NATIVE_MAP_HANDLE, index), name));
        return {};
    }
    store_pointer(
        fmt::format("ebpf_bound_pointer(&{}) + {}", bound(EBPF_NATIVE_MAP_VALUES, index), imm >> 32U),
        fmt::format(" /* value of {} */", name));
    return {};
}

void FunctionWriter::memory() {
    const bool is_load = form_->writes_dst;
    const std::uint8_t base = is_load ? instruction_->src : instruction_->dst;
    const std::string place = location(base, instruction_->offset, form_->size);
    const unsigned bits = form_->size * 8U;
    const bool is_ordered = form_->family == Family::LoadAcquire || form_->family == Family::StoreRelease;
    if (!is_load) {
        const std::string stored = form_->source == Source::Imm ? unsigned_text(instruction_->imm)
                                                                : value(instruction_->src).expression;
        line(fmt::format("ebpf_store{}{}({}, {});", is_ordered ? "_release" : "", bits, place, stored));
        if (const Part part = stored_part(*instruction_, values_); kept_.contains(part))
            line(fmt::format("{} = (uint{}_t)({});", part_name(part), bits, stored));
        return;
    }
    const auto& accesses = input().accesses;
    const auto kind = slot_ < accesses.size() ? accesses[slot_] : verifier::AccessKind::None;
    // None: of several kinds of memory, or never reached.
    const bool may_be_shared = !accesses.empty() && values_[base].kind != Value::Kind::Frame &&
                               (kind == verifier::AccessKind::MapValue || kind == verifier::AccessKind::None);
    if (variables_.written() == Type::Pointer && !is_ordered && !may_be_shared) {
        line(fmt::format("{} = ebpf_load_pointer({});", result(), place));
        return;
    }
    const bool is_plain = form_->family == Family::Load && !may_be_shared;
    if (is_plain && is_in_frame(values_[base], instruction_->offset, form_->size)) {
        store_number(word(instruction_->offset, form_->size, base));
        return;
    }
    store_number(fmt::format("ebpf_load{}{}{}({})",
                             is_ordered ? "_acquire" : (may_be_shared ? "_shared" : ""),
                             form_->family == Family::LoadSx ? "_sx" : "", bits, place));
}

void FunctionWriter::atomic() {
    const std::string place = location(instruction_->dst, instruction_->offset, form_->size);
    const std::string second = value(instruction_->src).expression;
    const unsigned bits = form_->size * 8U;
    switch (form_->atomic) {
        case spec::AtomicOp::Add:
        case spec::AtomicOp::Or:
        case spec::AtomicOp::And:
        case spec::AtomicOp::Xor:
        case spec::AtomicOp::Xchg: {
            const std::string call =
                fmt::format("ebpf_atomic_{}{}({}, {})", form_->symbol, bits, place, second);
            if (form_->fetch) {
                store_number(call);
            } else {
                line(call + ";");
            }
            return;
        }
        case spec::AtomicOp::Cmpxchg: {
            const std::string expected = value(0).expression;
            store_number(fmt::format("ebpf_atomic_cmpxchg{}({}, {}, {})", bits, place, expected, second));
            return;
        }
    }
}

// The offset is summed in 32 bits, as Linux does. A load outside the packet ends the function with 0.
void FunctionWriter::packet() {
    has_invocation_ = true;
    const std::string offset = form_->family == Family::PacketAbs
                                   ? fmt::format("{}", instruction_->imm)
                                   : fmt::format("(int32_t)({} + {})", value(instruction_->src).wide(),
                                                 unsigned_text(instruction_->imm));
    const unsigned bits = form_->size * 8U;
    line("{");
    line(fmt::format("    const uint8_t* bytes = ebpf_packet({}, invocation, {}, {});",
                     bound(EBPF_NATIVE_PACKET_BYTES, 0), offset, form_->size));
    line("    if (bytes == NULL) return 0;");
    const std::string loaded = fmt::format("ebpf_load{}(bytes)", bits);
    line(fmt::format("    {} = {};", result(),
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
    const Operand left = value(instruction_->dst);
    const Condition condition = condition_of(*form_, left, operand());
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
    const std::string comment = fmt::format(" /* lookup in {} */", c_comment(name));
    if (shape.type == spec::MapType::Array) {
        store_pointer(fmt::format("ebpf_array_value(ebpf_bound_pointer(&{}), (uint32_t){}, {}U, {}U)",
                                  bound(EBPF_NATIVE_MAP_VALUES, index), word(0, 4, 2), shape.max_entries,
                                  maps::array_stride(shape)),
                      comment);
        return true;
    }
    if (shape.type != spec::MapType::Hash) return false;
    const std::uint32_t bytes = shape.key_size;
    if (bytes == 4 || (bytes >= 8 && bytes <= maps::kMostShortKeyBytes)) {
        const std::string first = word(0, bytes == 4 ? 4 : 8, 2);
        const std::string middle = bytes > 16 ? word(8, 8, 2) : "0";
        const std::string last = bytes > 8 ? word(std::int64_t{bytes} - 8, 8, 2) : "0";
        store_pointer(
            fmt::format("ebpf_hash_value({}, {}, {}, {}, {}U, {}U)", bound(EBPF_NATIVE_MAP_TABLE, index),
                        first, middle, last, bytes, maps::bucket_bits(shape.max_entries)),
            comment);
        return true;
    }
    const std::string place = location(2, 0, static_cast<std::uint8_t>(std::min(bytes, 1U)));
    const std::string function = bound(EBPF_NATIVE_MAP_LOOKUP, index);
    const std::string handle = bound(EBPF_NATIVE_MAP_HANDLE, index);
    store_pointer(fmt::format("ebpf_map_value({}, {}, {})", function, handle, place), comment);
    return true;
}

FunctionWriter::Step FunctionWriter::call_helper() {
    const auto id = static_cast<std::uint32_t>(instruction_->imm);
    const spec::HelperSpec* row = spec::find_helper(id);
    if (id == static_cast<std::uint32_t>(spec::HelperId::map_lookup_elem) && lookup_inline()) return {};
    std::string arguments;
    for (std::uint8_t i = 1; i <= 5; ++i) {
        const bool is_used = row == nullptr || row->arguments[i - 1U] != spec::ArgKind::None;
        arguments += (is_used ? value(i).expression : "0") + ", ";
    }
    has_invocation_ = true;
    store_number(fmt::format("ebpf_helper({})({}invocation)", bound(EBPF_NATIVE_HELPER, id), arguments),
                 fmt::format(" /* {} */", row == nullptr ? "unknown" : row->name));
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
        if ((callee.parameters & (1U << i)) != 0) arguments += ", " + value(i).expression;
    }
    store_number(fmt::format("{}(image, invocation{})", callee.name, arguments));
}

}  // namespace ebpf::native
