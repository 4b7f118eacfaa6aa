// SPDX-License-Identifier: MIT
// Random programs that are valid by construction: registers are initialised, accesses stay inside, loops end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "isa/instruction.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::oracle {

/// Random numbers that are the same on every host and standard library.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t bits() { return engine_(); }
    /// Returns a number below `limit`.
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }
    bool one_in(std::uint32_t count) { return below(count) == 0; }
    /// Returns a number of a kind that finds faults: small, a power of two, its neighbours, or anything.
    std::uint64_t edge();

  private:
    std::mt19937_64 engine_;
};

struct Options {
    spec::ProgramType type = spec::ProgramType::Memory;  ///< or Xdp
    bool is_for_kernel = false;  ///< nothing that differs between runs, stack accesses aligned
};

/// A program with all that it needs to run.
struct Generated {
    std::vector<isa::Instruction> code;
    spec::ProgramType type{};
    std::vector<std::byte> memory;     ///< region at r1, or the packet
    spec::MapShape map;                ///< MapIndex 0: an array with one element
    std::vector<std::byte> map_value;  ///< its first contents

    /// Code as bytes, as the verifier and the kernel take it.
    [[nodiscard]] std::vector<std::byte> bytecode() const;
    /// Which instructions access the context, for lowering without a verifier's report.
    [[nodiscard]] std::vector<verifier::AccessKind> accesses() const;
    /// What the verifier is asked about it.
    [[nodiscard]] verifier::Request request() const;

    std::vector<std::uint32_t> context_slots;
};

/// Makes a program. The same seed and options give the same program.
Generated generate(std::uint64_t seed, const Options& options);

/// Changes one field of one instruction at random; the result decodes, and may be unsafe.
void mutate(Generated& program, Random& random);

}  // namespace ebpf::oracle
