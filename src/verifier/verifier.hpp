// SPDX-License-Identifier: MIT
// The verifier's contract: one Request in, one Report out, no I/O, no globals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spec/instructions.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "verifier/registered_type.hpp"

namespace ebpf::verifier {

/// A map that the program refers to by index.
struct MapInfo {
    std::string name;
    spec::MapShape shape;
    bool is_frozen = false;           ///< contents never change; the verdict may rely on `contents`
    std::vector<std::byte> contents;  ///< of a frozen array with one element; else empty
};

struct SourceLine {
    std::uint32_t slot = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string file;
    std::string text;
};

struct Subprogram {
    std::uint32_t slot = 0;
    std::string name;
};

/// Bounds on the verifier's own work. A path budget leads to joining, never to refusal.
struct Limits {
    std::uint64_t time_ns = 10'000'000'000;
    std::uint64_t memory_bytes = std::uint64_t{1} << 30U;
    std::uint64_t instructions = 1'000'000;  ///< processed, repeats counted; the kernel's limit, too
    std::uint32_t path_budget = 1U << 16U;   ///< states followed separately before paths are joined
};

/// Everything the verdict depends on. A verdict holds for exactly these values (protocol/ hashes them).
struct Request {
    std::string program_name;
    spec::ProgramType type = spec::ProgramType::Unspecified;
    std::vector<RegisteredTypeInfo>
        registered;  ///< what `type` is, if it is no row of the tables: one element
    std::uint32_t attach_type = 0;
    spec::GroupSet groups = spec::kAllGroups;
    bool is_gpl = false;
    std::uint64_t memory_length = 0;  ///< ProgramType::Memory: bytes at r1
    std::vector<std::byte> bytecode;  ///< linked as in object::ProgramSpec
    std::vector<MapInfo> maps;
    std::vector<SourceLine> lines;        ///< for messages only
    std::vector<Subprogram> subprograms;  ///< for messages only; calls define subprograms
    Limits limits;
    bool wants_invariants = false;  ///< fill Report::invariants
};

enum class Verdict : std::uint8_t { Reject, Accept };

/// Why a program was refused.
struct Failure {
    std::string
        category;  ///< of rules.def: "instruction", "type", "bounds", "initialisation", "control flow", ...
    std::string rule;                ///< stable id, "V012"
    std::uint32_t slot = 0;          ///< instruction number
    SourceLine source;               ///< line 0 when unknown
    std::string message;             ///< what is wrong, what was known, what was needed
    std::string hint;                ///< the usual fix; may be empty
    std::vector<std::string> trace;  ///< how it came about, newest last: one line a step; may be empty
};

/// What the memory access at a slot goes through, for lowering and for engines. None: there is no access, or
/// different memory is accessed on different paths (never the context then).
enum class AccessKind : std::uint8_t { None, Context, Packet, Stack, MapValue, Memory };

/// What the call through a register at `slot` calls, on every path: the helper `target`, or the function
/// whose first slot is `target`.
struct CallTarget {
    std::uint32_t slot = 0;
    bool is_helper = false;
    std::uint32_t target = 0;
    friend bool operator==(const CallTarget&, const CallTarget&) = default;
};

struct Invariants;  // verifier/observe.hpp

struct Report {
    Verdict verdict = Verdict::Reject;
    std::vector<Failure> failures;  ///< empty exactly if accepted
    std::uint64_t time_ns = 0;
    std::uint64_t memory_bytes = 0;    ///< most memory held for states
    std::uint64_t instructions = 0;    ///< instructions processed, repeats counted
    std::uint64_t states = 0;          ///< states kept
    std::vector<AccessKind> accesses;  ///< one per slot; accepted programs only
    std::vector<CallTarget> calls;     ///< through registers, by ascending slot; accepted ones only
    std::vector<bool> reachable;       ///< one per slot: some path reaches it
    std::uint32_t stack_bytes = 0;     ///< deepest stack use along any call chain
    std::shared_ptr<const Invariants> invariants;  ///< if asked for
};

/// Verifies one program. Never throws on bad input, never accepts what it does not understand: any internal
/// failure is a refusal of category "internal". Threads: any, no shared state. Cost: bounded by
/// request.limits.
Report verify(const Request& request);

}  // namespace ebpf::verifier
