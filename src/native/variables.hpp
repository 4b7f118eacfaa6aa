// SPDX-License-Identifier: MIT
// Which C variable holds a register's value. A register of BPF has 64 bits and no type, what it is used for
// has: C compilers make better code of 32-bit numbers and of pointers if they are told.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "isa/instruction.hpp"
#include "native/values.hpp"
#include "spec/instructions.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::native {

/// Type of a variable. Any of them can hold any value that it is chosen for.
enum class Type : std::uint8_t {
    Wide,     ///< uint64_t
    Narrow,   ///< uint32_t: the upper half of the register is 0
    Pointer,  ///< uint8_t*
};
inline constexpr std::size_t kTypeCount = 3;

/// What variables are chosen from.
struct VariableInput {
    const isa::Code& code;
    Range range;
    std::span<const std::uint16_t> arguments;        ///< by slot of the range: bit n: a call takes rn
    std::span<const verifier::AccessKind> accesses;  ///< by slot of the code; may be empty
};

/// The types of one function's variables. All definitions that one use may see have the same type, so that
/// nothing is converted where paths meet. Computed from the code alone, but for what is loaded from contexts,
/// where the verifier's word decides how a value is written down, not what it is. Narrow values are narrow by
/// the definition of the instructions that make them.
class Variables {
  public:
    /// Requires: jumps stay inside the range. Cost: linear, but for chains of copies through loops.
    explicit Variables(const VariableInput& input);

    /// Goes to `slot`. Requires: every slot of the range is entered, in ascending order, but for those that
    /// are no instructions.
    void enter(std::uint32_t slot);

    /// Type of what the entered instruction reads in r`number`.
    [[nodiscard]] Type read(std::uint8_t number) const;
    /// Type of what the entered instruction writes. Requires: it writes a register.
    [[nodiscard]] Type written() const { return type_of(definition_of(slot_)); }
    /// Type of what r`number` holds at the beginning.
    [[nodiscard]] Type at_entry(std::uint8_t number) const { return type_of(number); }

  private:
    // Definitions by number: what registers hold at the beginning, what calls leave in those they may change,
    // and then one for each slot.
    using Id = std::uint32_t;
    using State = std::array<Id, spec::kFramePointer>;
    static constexpr Id kClobbered = spec::kFramePointer;
    static constexpr Id kFirstOfSlots = kClobbered + 1;

    // What is known of a type while it is being found out, from less to more general.
    enum class Guess : std::uint8_t { Nothing, Zero, Narrow, Pointer, Wide };
    struct Operation {
        std::uint32_t slot = 0;
        Id dst = 0;  ///< what it reads in its two registers
        Id src = 0;
    };

    [[nodiscard]] Id definition_of(std::uint32_t slot) const {
        return kFirstOfSlots + slot - input_.range.begin;
    }
    [[nodiscard]] Id root_of(Id id) const;
    [[nodiscard]] Type type_of(Id id) const;
    void unite(Id a, Id b);
    void find_live();
    void follow_paths();
    void reach(std::uint32_t slot, const State& state);
    void follow(std::uint32_t slot, State state);
    void step(State& state, std::uint32_t slot) const;
    [[nodiscard]] std::uint16_t reads(std::uint32_t slot) const;
    void guess_types();
    [[nodiscard]] Guess guess_of(Id id) const;
    [[nodiscard]] Guess result_of(const Operation& operation) const;
    static Guess join(Guess a, Guess b);
    static Guess wide_result(const isa::Instruction& instruction, const spec::FormSpec& form, Guess dst,
                             Guess src);

    VariableInput input_;
    std::vector<std::uint16_t> live_;  ///< by slot of the range: bit n: rn is read before it is written
    std::vector<bool> is_join_;        ///< likewise
    std::map<std::uint32_t, State> joins_;
    std::vector<std::uint32_t> due_;
    std::vector<Operation> operations_;  ///< those that are reached and write a register
    mutable std::vector<Id> parents_;    ///< definitions that one use may see are one set
    std::vector<Guess> guesses_;         ///< by root
    State state_{};
    std::uint32_t slot_ = 0;
    bool has_entered_ = false;
};

/// Returns the register that an instruction writes, if it writes one for others to read; kRegisterCount if
/// not.
std::uint8_t written_register(const isa::Instruction& instruction);

}  // namespace ebpf::native
