// SPDX-License-Identifier: MIT
// The fields of verifier::Request and verifier::Report as messages carry them. A new member that the verdict
// depends on belongs here, or the hash of a request would not cover it.
#pragma once

#include "spec/operations.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {

inline constexpr std::size_t kMaxMessageText = 8192;
inline constexpr std::size_t kMaxSourceText = 4096;
inline constexpr std::size_t kMaxFailures = 64;
inline constexpr std::size_t kMaxTraceLines = 4096;
inline constexpr std::size_t kMaxSlots = spec::kMaxBytecodeBytes / spec::kSlotBytes;

/// M as visitor V sees it: constant for an encoder.
template <typename V, typename M>
using FieldsOf = typename V::template Field<M>;

template <typename V>
void fields(V& v, FieldsOf<V, spec::MapShape>& m) {
    v.number("type", m.type);
    v.number("key_size", m.key_size);
    v.number("value_size", m.value_size);
    v.number("max_entries", m.max_entries);
    v.number("flags", m.flags);
}

template <typename V>
void fields(V& v, FieldsOf<V, MapInfo>& m) {
    v.text("map name", m.name, spec::kMaxNameBytes);
    fields(v, m.shape);
    v.number("is_frozen", m.is_frozen);
    v.bytes("contents", m.contents, spec::kMaxValueBytes);
}

template <typename V>
void fields(V& v, FieldsOf<V, SourceLine>& m) {
    v.number("slot", m.slot);
    v.number("line", m.line);
    v.number("column", m.column);
    v.text("file", m.file, kMaxSourceText);
    v.text("text", m.text, kMaxSourceText);
}

template <typename V>
void fields(V& v, FieldsOf<V, Subprogram>& m) {
    v.number("slot", m.slot);
    v.text("name", m.name, kMaxSourceText);
}

template <typename V>
void fields(V& v, FieldsOf<V, FieldInfo>& m) {
    v.text("field name", m.name, spec::kMaxNameBytes);
    v.number("offset", m.offset);
    v.number("size", m.size);
    v.limited("permission", m.permission, static_cast<std::uint64_t>(spec::FieldPermission::ReadWrite));
    v.limited("meaning", m.meaning, static_cast<std::uint64_t>(spec::FieldMeaning::PacketMeta));
}

template <typename V>
void fields(V& v, FieldsOf<V, HelperInfo>& m) {
    v.number("id", m.id);
    v.text("helper name", m.name, spec::kMaxNameBytes);
    v.limited("returns", m.returns, static_cast<std::uint64_t>(spec::ReturnKind::Nothing));
    for (auto& argument : m.arguments)
        v.limited("argument", argument, static_cast<std::uint64_t>(spec::ArgKind::Record));
    v.number("moves_packet", m.moves_packet);
}

template <typename V>
void fields(V& v, FieldsOf<V, RegisteredTypeInfo>& m) {
    v.text("type name", m.name, spec::kMaxNameBytes);
    v.number("return_min", m.return_min);
    v.number("return_max", m.return_max);
    v.text("context name", m.context, spec::kMaxNameBytes);
    v.number("context_bytes", m.context_bytes);
    v.number("may_write_packet", m.may_write_packet);
    v.list("context fields", m.fields, spec::kMaxRegisteredFields);
    v.list("helpers", m.helpers, spec::kMaxRegisteredHelpers);
}

template <typename V>
void fields(V& v, FieldsOf<V, Limits>& m) {
    v.number("time_ns", m.time_ns);
    v.number("memory_bytes", m.memory_bytes);
    v.number("instructions", m.instructions);
    v.number("path_budget", m.path_budget);
}

template <typename V>
void fields(V& v, FieldsOf<V, Request>& m) {
    v.text("program_name", m.program_name, spec::kMaxNameBytes);
    v.number("type", m.type);
    v.list("registered type", m.registered, 1);
    v.number("attach_type", m.attach_type);
    v.number("groups", m.groups.bits);
    v.number("is_gpl", m.is_gpl);
    v.number("memory_length", m.memory_length);
    v.bytes("bytecode", m.bytecode, spec::kMaxBytecodeBytes);
    v.list("maps", m.maps, spec::kMaxProgramMaps);
    v.list("lines", m.lines, spec::kMaxLines);
    v.list("subprograms", m.subprograms, spec::kMaxSubprograms);
    fields(v, m.limits);
    v.number("wants_invariants", m.wants_invariants);
}

template <typename V>
void fields(V& v, FieldsOf<V, Failure>& m) {
    v.text("category", m.category, spec::kMaxNameBytes);
    v.text("rule", m.rule, spec::kMaxNameBytes);
    v.number("slot", m.slot);
    fields(v, m.source);
    v.text("message", m.message, kMaxMessageText);
    v.text("hint", m.hint, kMaxMessageText);
    v.texts("trace", m.trace, kMaxTraceLines, kMaxMessageText);
}

template <typename V>
void fields(V& v, FieldsOf<V, CallTarget>& m) {
    v.number("slot", m.slot);
    v.number("is_helper", m.is_helper);
    v.number("target", m.target);
}

/// Report::invariants do not travel: they are for oracles in the same process.
template <typename V>
void fields(V& v, FieldsOf<V, Report>& m) {
    v.limited("verdict", m.verdict, static_cast<std::uint64_t>(Verdict::Accept));
    v.list("failures", m.failures, kMaxFailures);
    v.number("time_ns", m.time_ns);
    v.number("memory_bytes", m.memory_bytes);
    v.number("instructions", m.instructions);
    v.number("states", m.states);
    v.numbers("accesses", m.accesses, kMaxSlots, static_cast<std::uint64_t>(AccessKind::Memory));
    v.list("calls", m.calls, kMaxSlots);
    v.numbers("reachable", m.reachable, kMaxSlots, 1);
    v.number("stack_bytes", m.stack_bytes);
}

}  // namespace ebpf::verifier
