// SPDX-License-Identifier: MIT
// Kernel patterns: the output of Linux kernel/bpf/disasm.c; LLVM's assembly differs in a few places, which
// are accepted too. Short patterns: the mnemonics of the bpf_conformance vectors.
#include "isa/text/templates.hpp"

#include <fmt/format.h>

#include "isa/text/lexer.hpp"

namespace ebpf::isa::text {
namespace {

using spec::AtomicOp;
using spec::Family;
using spec::FormSpec;
using spec::Source;
using spec::WideKind;
using spec::Width;

using Patterns = std::vector<std::string>;

std::string lower(std::string_view name) {
    std::string result(name);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return result;
}

// Holes and literals are mixed, so patterns are joined, never formatted: '{' means a hole in them.
template <typename... Parts>
std::string join(const Parts&... parts) {
    std::string result;
    (result.append(parts), ...);
    return result;
}

std::string type_name(char sign, std::uint8_t bytes) {
    return fmt::format("{}{}", sign, bytes * 8);
}

std::string_view size_suffix(std::uint8_t bytes) {
    return bytes == 1 ? "b" : bytes == 2 ? "h" : bytes == 4 ? "w" : "dw";
}

std::string bits_text(std::uint8_t bytes) {
    return fmt::format("{}", bytes * 8);
}

std::string_view dst_hole(Width width) {
    return width == Width::W32 ? "{D}" : "{d}";
}
std::string_view src_hole(Width width) {
    return width == Width::W32 ? "{S}" : "{s}";
}
std::string_view width_suffix(Width width) {
    return width == Width::W32 ? "32" : "";
}

// "*(u32 *)({s} {o})"
std::string cell(char sign, std::uint8_t bytes, std::string_view base) {
    return join("*(", type_name(sign, bytes), " *)(", base, " {o})");
}

// Argument of the function-like atomics: "(u32 *)({d} {o})"
std::string cell_pointer(std::uint8_t bytes, std::string_view base) {
    return join("(", type_name('u', bytes), " *)(", base, " {o})");
}

Patterns alu(const FormSpec& form) {
    const bool is_imm = form.source == Source::Imm;
    const std::string_view source = is_imm ? "{i}" : src_hole(form.width);
    const std::string operands = join(" {d}, ", is_imm ? "{i}" : "{s}");
    const std::string mnemonic = lower(form.name);
    Patterns result{join(dst_hole(form.width), " ", form.symbol, " ", source),
                    join(mnemonic, width_suffix(form.width), operands)};
    if (form.width == Width::W64) result.push_back(join(mnemonic, "64", operands));
    return result;
}

Patterns negate(const FormSpec& form) {
    const std::string_view dst = dst_hole(form.width);
    const std::string mnemonic = lower(form.name);
    Patterns result{join(dst, " = ", form.symbol, dst), join(mnemonic, width_suffix(form.width), " {d}")};
    if (form.width == Width::W64) result.push_back(join(mnemonic, "64 {d}"));
    return result;
}

Patterns move_sx(const FormSpec& form) {
    const std::string mnemonic = join("movsx", bits_text(form.size));
    Patterns result{join(dst_hole(form.width), " = (", type_name('s', form.size), ")", src_hole(form.width)),
                    join(mnemonic, form.width == Width::W32 ? "32" : "64", " {d}, {s}")};
    if (form.width == Width::W64) result.push_back(join(mnemonic, " {d}, {s}"));
    return result;
}

Patterns byte_order(const FormSpec& form) {
    const std::string mnemonic = join(form.symbol, bits_text(form.size));
    Patterns result{join("{d} = ", mnemonic, " {d}"), join(mnemonic, " {d}")};
    if (form.byte_order == spec::ByteOrderOp::Swap)
        result.push_back(join("swap", bits_text(form.size), " {d}"));
    return result;
}

std::string_view wide_operand(WideKind kind) {
    switch (kind) {
        case WideKind::Value:
            return "{q}";
        case WideKind::MapFd:
            return "map[fd:{l}]";
        case WideKind::MapFdValue:
            return "map[fd:{l}][0]+{h}";
        case WideKind::VariableAddress:
            return "var[id:{l}]{b}";
        case WideKind::CodeAddress:
            return "subprog[{c}]";
        case WideKind::MapIndex:
            return "map[idx:{l}]";
        case WideKind::MapIndexValue:
            return "map[idx:{l}][0]+{h}";
    }
    return "";
}

Patterns wide(const FormSpec& form) {
    const std::string_view operand = wide_operand(form.wide);
    // LLVM's suffix: without it a wide immediate cannot be told from a move once it is text.
    const std::string_view suffix = form.wide == WideKind::Value ? " ll" : "";
    return {join("{d} = ", operand, suffix), join("lddw {d}, ", operand)};
}

Patterns load(const FormSpec& form) {
    const bool is_signed = form.family == Family::LoadSx;
    const std::string source = cell(is_signed ? 's' : 'u', form.size, "{s}");
    Patterns result{join("{d} = ", source),
                    join(is_signed ? "ldxs" : "ldx", size_suffix(form.size), " {d}, [{s}{o}]")};
    if (!is_signed && form.size <= 4) result.push_back(join("{D} = ", source));
    return result;
}

Patterns store(const FormSpec& form) {
    const std::string target = cell('u', form.size, "{d}");
    if (form.source == Source::Imm) {
        return {join(target, " = {i}"), join("st", size_suffix(form.size), " [{d}{o}], {i}")};
    }
    Patterns result{join(target, " = {s}"), join("stx", size_suffix(form.size), " [{d}{o}], {s}")};
    if (form.size <= 4) result.push_back(join(target, " = {S}"));
    return result;
}

// The operator of "lock *(u64 *)(r1 +0) += r2" is that of the arithmetic form of the same name.
std::string_view assignment_symbol(const FormSpec& atomic) {
    for (const FormSpec& form : spec::forms()) {
        if (form.family == Family::Alu && std::string_view(form.name) == atomic.name) return form.symbol;
    }
    return "";
}

Patterns short_atomic(const FormSpec& form) {
    const std::string operation = join(form.symbol, form.size == 4 ? "32" : "", " [{d}{o}], {s}");
    const bool says_fetch = form.fetch && form.atomic != AtomicOp::Xchg && form.atomic != AtomicOp::Cmpxchg;
    if (!says_fetch) return {join("lock ", operation)};
    return {join("lock fetch ", operation), join("lock fetch_", operation)};
}

Patterns long_atomic(const FormSpec& form) {
    const bool is_64 = form.size == 8;
    const std::string pointer = cell_pointer(form.size, "{d}");
    const std::string_view low_src = is_64 ? "{s}" : "{S}";
    const std::string_view kernel_prefix = is_64 ? "atomic64_" : "atomic_";
    const std::string_view llvm_suffix = is_64 ? "_64({d} {o}, " : "32_32({d} {o}, ";
    if (!form.fetch) {
        const std::string target =
            join("lock ", cell('u', form.size, "{d}"), " ", assignment_symbol(form), " ");
        return {join(target, "{s}"), join(target, low_src)};
    }
    if (form.atomic == AtomicOp::Cmpxchg) {
        const std::string_view expected = is_64 ? "r0" : "w0";
        return {join("r0 = ", kernel_prefix, form.symbol, "(", pointer, ", r0, {s})"),
                join(expected, " = ", form.symbol, llvm_suffix, expected, ", ", low_src, ")")};
    }
    if (form.atomic == AtomicOp::Xchg) {
        return {join("{s} = ", kernel_prefix, form.symbol, "(", pointer, ", {s})"),
                join(low_src, " = ", form.symbol, llvm_suffix, low_src, ")")};
    }
    return {join("{s} = ", kernel_prefix, "fetch_", form.symbol, "(", pointer, ", {s})"),
            join(low_src, " = atomic_fetch_", form.symbol, "(", pointer, ", ", low_src, ")")};
}

Patterns atomic(const FormSpec& form) {
    Patterns result = long_atomic(form);
    for (std::string& pattern : short_atomic(form)) result.push_back(std::move(pattern));
    return result;
}

Patterns ordered(const FormSpec& form) {
    const bool is_load = form.family == Family::LoadAcquire;
    const std::string pointer = cell_pointer(form.size, is_load ? "{s}" : "{d}");
    const auto written = [&](std::string_view value) {
        return is_load ? join(value, " = ", form.symbol, "(", pointer, ")")
                       : join(form.symbol, "(", pointer, ", ", value, ")");
    };
    Patterns result{written(is_load ? "{d}" : "{s}")};
    if (form.size <= 4) result.push_back(written(is_load ? "{D}" : "{S}"));
    return result;
}

Patterns packet(const FormSpec& form) {
    const bool is_indirect = form.family == Family::PacketInd;
    const std::string_view suffix = size_suffix(form.size);
    return {join("r0 = *(", type_name('u', form.size), " *)skb[", is_indirect ? "{s} + {i}]" : "{i}]"),
            is_indirect ? join("ldind", suffix, " {s}, {i}") : join("ldabs", suffix, " {i}")};
}

Patterns branch(const FormSpec& form) {
    const bool is_imm = form.source == Source::Imm;
    const std::string_view source = is_imm ? "{x}" : src_hole(form.width);
    return {join("if ", dst_hole(form.width), " ", form.symbol, " ", source, " goto {j}"),
            join("j", lower(form.name), width_suffix(form.width), " {d}, ", is_imm ? "{i}" : "{s}", ", {j}")};
}

Patterns go(const FormSpec& form) {
    const std::string_view target = form.width == Width::W32 ? " {J}" : " {j}";
    return {join(form.symbol, target), join("ja", width_suffix(form.width), target)};
}

Patterns patterns_of(const FormSpec& form) {
    switch (form.family) {
        case Family::WideTail:
            return {};
        case Family::Alu:
            return alu(form);
        case Family::Negate:
            return negate(form);
        case Family::MoveSx:
            return move_sx(form);
        case Family::ByteOrder:
            return byte_order(form);
        case Family::LoadImm64:
            return wide(form);
        case Family::Load:
        case Family::LoadSx:
            return load(form);
        case Family::StoreImm:
        case Family::StoreReg:
            return store(form);
        case Family::Atomic:
            return atomic(form);
        case Family::LoadAcquire:
        case Family::StoreRelease:
            return ordered(form);
        case Family::PacketAbs:
        case Family::PacketInd:
            return packet(form);
        case Family::Goto:
            return go(form);
        case Family::Branch:
            return branch(form);
        case Family::CallHelper:
            return {"call {n}", "call helper {n}"};
        case Family::CallLocal:
            return {"call {J}", "call local {J}"};
        case Family::CallKfunc:
            return {"call kernel-function#{i}{k}", "call runtime {i}"};
        case Family::CallRegister:
            return {"callx {d}", "call {d}"};
        case Family::Exit:
            return {"exit"};
    }
    return {};
}

void add_literals(std::string_view text, std::vector<Atom>& atoms) {
    // A '#' in a pattern is always punctuation; the lexer would take it for a comment.
    const std::size_t hash = text.find('#');
    for (const Token& token : tokenize(text.substr(0, hash))) {
        if (token.kind != TokenKind::End) atoms.push_back({Hole::Literal, token.text});
    }
    if (hash != std::string_view::npos) atoms.push_back({Hole::Literal, text.substr(hash, 1)});
}

std::vector<Atom> atoms_of(std::string_view pattern) {
    constexpr std::size_t kHoleSize = 3;
    std::vector<Atom> atoms;
    while (!pattern.empty()) {
        const std::size_t hole = pattern.find('{');
        add_literals(pattern.substr(0, hole), atoms);
        if (hole == std::string_view::npos) break;
        atoms.push_back({static_cast<Hole>(pattern[hole + 1]), {}});
        pattern.remove_prefix(hole + kHoleSize);
    }
    return atoms;
}

struct Table {
    std::vector<Template> all;
    std::vector<std::size_t> first;  // by form: index of its printed pattern
};

Table make_table() {
    Table table;
    const auto forms = spec::forms();
    for (std::size_t form = 0; form < forms.size(); ++form) {
        table.first.push_back(table.all.size());
        for (std::string& pattern : patterns_of(forms[form])) {
            table.all.push_back({static_cast<spec::Form>(form), std::move(pattern), {}});
        }
    }
    // Only now do the patterns stay where they are.
    for (Template& entry : table.all) entry.atoms = atoms_of(entry.pattern);
    return table;
}

const Table& table() {
    static const Table built = make_table();
    return built;
}

}  // namespace

std::span<const Template> templates() {
    return table().all;
}

std::string_view printed_pattern(spec::Form form) {
    if (spec::form_spec(form).family == Family::WideTail) return "";
    return table().all[table().first[static_cast<std::size_t>(form)]].pattern;
}

}  // namespace ebpf::isa::text
