// SPDX-License-Identifier: MIT
// The JIT compiler's public face: lowered bytecode in, machine code for engine::place() out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "engine/machine_code.hpp"
#include "ir/ir.hpp"
#include "isa/instruction.hpp"

namespace ebpf::jit {

/// What the code is for: processor and calling convention. Arm64 is compiled in on Linux builds only.
enum class Architecture : std::uint8_t { X64SystemV, X64Windows, Arm64 };

/// Instructions beyond the architecture's baseline that the code may use. Data, so that results can be
/// reproduced.
struct Features {
    bool has_bmi1 = false;     ///< x64: andn
    bool has_bmi2 = false;     ///< x64: shlx, shrx, sarx, rorx, mulx
    bool has_movbe = false;    ///< x64
    bool has_atomics = false;  ///< Arm64: the LSE atomics of Armv8.1
    friend bool operator==(const Features&, const Features&) = default;
};

struct Options {
    Architecture architecture = Architecture::X64SystemV;
    Features features;
    bool blind_constants = false;  ///< no immediate of the program wider than 8 bits appears in the code (an
                                   ///< access's offset: 16 bits)
    std::uint64_t seed = 0;        ///< of the keys for blinding; choose it at random for each program
};

/// From `offset` in the code on, up to the next element, is what instruction `slot` became.
struct SlotOffset {
    std::uint32_t offset = 0;
    std::uint32_t slot = 0;
};

/// Machine code that owns its bytes.
struct Translation {
    std::vector<std::byte> code;
    std::vector<engine::Relocation> relocations;
    std::vector<SlotOffset> slots;  ///< ascending by offset, for disassembly
    std::vector<std::uint32_t>
        functions;  ///< offset of each function of the module; the first is the program, at 0

    /// What engine::place() takes. Lifetime: that of this object.
    [[nodiscard]] engine::MachineCode machine_code() const { return {code, relocations}; }
};

/// Returns whether this build can generate code for `architecture`.
bool is_supported(Architecture architecture);

/// Returns the architecture and convention of this process, if the JIT has it. Errors: NotSupported.
Result<Architecture> host_architecture();

/// Returns what this machine's processor has. Threads: any.
Features detect_features();

/// Translates a program to machine code. Deterministic: the same inputs give the same bytes.
/// Requires: `code` was accepted by the verifier and lowered; `regions` has one element per slot (what
/// memory an access of that slot goes to; Unknown where nothing is known), or none.
/// Errors: NotSupported - an architecture that this build has not, or an instruction that engines never see;
///   NotFound - a helper or map that is not bound; the message names instruction and number. LimitExceeded -
///   what the code generator cannot encode.
/// Threads: any.
Result<Translation> translate(const isa::Code& code, const engine::Bindings& bindings,
                              std::span<const ir::Region> regions, const Options& options);

/// Translates a module in the intermediate form: the second half of translate(), for tests and tools.
/// Requires: `module` is valid (ir/ir.hpp).
Result<Translation> generate(const ir::Module& module, const Options& options);

}  // namespace ebpf::jit
