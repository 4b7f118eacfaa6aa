// SPDX-License-Identifier: MIT
// Which stores left what a function's frame holds. Keys are written field by field and read word by word:
// processors wait for such words to reach the cache, and C compilers do not see through stores of which a
// helper may know. So words are put together from what was stored.
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

/// Bytes of the frame that one store wrote, counted from its lowest one.
struct Part {
    std::uint32_t start = 0;
    std::uint32_t size = 0;
    friend auto operator<=>(const Part&, const Part&) = default;
};

/// What is known where: on every path the last store to these bytes was of this place and size, by an
/// instruction whose base is the frame for certain, and nothing else can have written them since. Computed
/// from the code and Values; that packets, map values, contexts and memory are not the frame is the
/// verifier's word.
class FrameParts {
  public:
    struct Input {
        const isa::Code& code;
        Range range;
        std::span<const verifier::AccessKind> accesses;  ///< by slot of the code; may be empty
        const std::map<std::uint32_t, Values>& joins;    ///< values_at_joins() of the range
    };

    /// Requires: jumps stay inside the range. Cost: linear, but for loops that change what is known; nothing
    /// is known of functions with very many places where paths meet.
    explicit FrameParts(const Input& input);

    /// Goes to `slot`. Requires: as Variables::enter().
    void enter(std::uint32_t slot);

    /// Returns the parts that the bytes before the entered instruction consist of, in order; none if that is
    /// not known, or if it is one: compilers see that.
    [[nodiscard]] std::vector<Part> find(std::int64_t start, std::int64_t size) const;

  private:
    /// By byte: 0, or the part it belongs to as start * 16 + size.
    using State = std::array<std::uint16_t, spec::kStackBytes>;

    void reach(std::uint32_t slot, const State& state);
    void follow(std::uint32_t slot, State state);
    void step(State& state, const Values& values, std::uint32_t slot) const;

    Input input_;
    std::vector<bool> is_join_;
    std::map<std::uint32_t, State> states_;
    std::vector<std::uint32_t> due_;
    State state_{};
    Values values_{};
    std::uint32_t slot_ = 0;
    bool has_entered_ = false;
    bool is_known_ = true;
};

/// Returns the part that a plain store writes, of size 0 if it is none into the frame for certain.
Part stored_part(const isa::Instruction& instruction, const Values& values);

}  // namespace ebpf::native
