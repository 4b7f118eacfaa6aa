// SPDX-License-Identifier: MIT
// A generated program with all that it needs to run: maps with contents, memory or packet, tail-call targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "isa/instruction.hpp"
#include "random.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "vectors/vector.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::oracle {

using Bytes = std::vector<std::byte>;
using vectors::MapContents;

struct MapSetup {
    spec::MapShape shape;
    MapContents contents;  ///< before the run; none for a prog array
};

/// The instructions of one program.
struct Body {
    std::vector<isa::Instruction> code;
    std::vector<std::uint32_t> context_slots;  ///< slots that access the context

    /// Code as bytes, as the verifier and the kernel take it.
    [[nodiscard]] Bytes bytecode() const;
    /// Which instructions access the context, for lowering without a verifier's report.
    [[nodiscard]] std::vector<verifier::AccessKind> accesses() const;
};

/// A program that a prog array holds at `index`.
struct Target {
    std::uint32_t map = 0;
    std::uint32_t index = 0;
    Body body;
};

struct Generated : Body {
    spec::ProgramType type{};
    Bytes memory;                ///< region at r1, or the packet
    std::vector<MapSetup> maps;  ///< by MapIndex, for targets, too
    std::vector<Target> targets;

    /// What the verifier is asked about `body`, which is this program or one of its targets.
    [[nodiscard]] verifier::Request request(const Body& body) const;
    [[nodiscard]] verifier::Request request() const { return request(*this); }
    [[nodiscard]] std::vector<spec::MapShape> shapes() const;
    /// Whether it, or a target, calls a helper that answers differently on another host: clock, random
    /// number, processor.
    [[nodiscard]] bool asks_host() const;
};

/// Changes one field of one instruction at random; the result decodes, and may be unsafe.
void mutate(Generated& program, Random& random);

/// The program as text with slot numbers, then its targets.
std::string listing(const Generated& program);

}  // namespace ebpf::oracle
