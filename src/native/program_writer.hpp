// SPDX-License-Identifier: MIT
// One program as C functions, and what they need bound. Inside src/native only.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ebpf/native.h"
#include "native/frame_parts.hpp"
#include "native/generate.hpp"
#include "native/loops.hpp"
#include "native/statements.hpp"
#include "native/text.hpp"
#include "native/values.hpp"
#include "native/variables.hpp"

namespace ebpf::native {

/// A subprogram: where it lies, what it is called, and which of r1..r5 it takes.
struct Function {
    Range range;
    std::string name;
    std::uint8_t parameters = 0;  ///< bit n: reads rn
    std::uint32_t number = 0;     ///< what its address is, for helpers that call it back; 0: nobody takes it
};

class ProgramWriter {
  public:
    ProgramWriter(const ProgramInput& input, Names& names) : input_(input), names_(names) {}

    /// Writes all functions. Errors: see generate().
    std::expected<std::string, Fault> write();

    /// After write(): name of the entry function, and the bindings in order.
    [[nodiscard]] const std::string& entry() const { return functions_.begin()->second.name; }
    [[nodiscard]] const std::vector<ebpf_native_binding>& bindings() const { return bindings_; }

  private:
    friend class FunctionWriter;

    void find_functions();
    std::uint8_t find_parameters(std::uint32_t entry);
    [[nodiscard]] std::vector<std::uint16_t> arguments_of_calls(Range range) const;
    [[nodiscard]] std::string signature(const Function& function) const;
    [[nodiscard]] std::string call_back_function() const;

    /// Returns the index in `bound` of what is described, which it adds if it is new.
    std::size_t bind(ebpf_native_binding_kind kind, std::uint32_t number, std::uint32_t slot);

    const ProgramInput& input_;
    Names& names_;
    std::map<std::uint32_t, Function> functions_;  ///< by first slot
    std::vector<ebpf_native_binding> bindings_;
    std::string call_back_;  ///< name of the function that calls functions by their number; empty: needless
};

/// Writes the body of one function.
class FunctionWriter {
  public:
    /// `kept`: parts of the frame that words are put together from, as wanted_parts() told before.
    FunctionWriter(ProgramWriter& program, const Function& function, std::set<Part> kept)
        : program_(program),
          function_(function),
          kept_(std::move(kept)),
          joins_(values_at_joins(*program.input_.code, function.range)),
          frame_parts_({*program.input_.code, function.range, program.input_.accesses, joins_}),
          arguments_(program.arguments_of_calls(function.range)),
          variables_({*program.input_.code, function.range, arguments_, program.input_.accesses}) {}

    std::expected<std::string, Fault> write();

    /// After write(): which parts of the frame it would have kept besides.
    [[nodiscard]] const std::set<Part>& wanted_parts() const { return wanted_; }

  private:
    using Step = std::expected<void, Fault>;

    static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

    struct OpenLoop {
        Loop loop;
        bool is_counted = false;  ///< what its test compares lies in [0, 2^32)
    };

    [[nodiscard]] const ProgramInput& input() const { return program_.input_; }
    std::unexpected<Fault> fault(Status status, std::string what) const;

    std::string declarations() const;
    std::string declaration(Type type, std::uint8_t number) const;
    void note_source(std::uint32_t slot);
    void line(std::string text);
    std::string go_to(std::uint32_t slot);
    void open_loop(bool is_fallen_into);
    bool close_loop();
    std::string variable(Type type, std::uint8_t number) const;
    std::string pointer(std::uint8_t number);
    Operand value(std::uint8_t number);
    Operand operand();
    std::string result();
    void store_number(const std::string& expression, std::string_view comment = {});
    void store_pointer(const std::string& expression, std::string_view comment = {});
    std::string bound(ebpf_native_binding_kind kind, std::uint32_t number);
    std::string frame(std::int64_t distance);
    [[nodiscard]] bool is_in_frame(const Value& value, std::int64_t offset, std::int64_t size) const;
    std::string location(std::uint8_t number, std::int64_t offset, std::uint8_t size);
    std::string word(std::int64_t offset, std::uint8_t size, std::uint8_t number);
    std::string frame_word(std::int64_t start, std::uint8_t size);

    Step instruction();
    void compute();
    void compute_pointer();
    void memory();
    void atomic();
    void packet();
    void branch();
    void leave();
    Step constant();
    Step call_helper();
    bool lookup_inline();
    void call_local();

    ProgramWriter& program_;
    const Function& function_;
    std::set<Part> kept_;
    std::set<Part> wanted_;
    std::map<std::uint32_t, Values> joins_;
    FrameParts frame_parts_;
    std::vector<std::uint16_t> arguments_;
    Variables variables_;
    std::uint32_t slot_ = 0;
    const isa::Instruction* instruction_ = nullptr;
    const spec::FormSpec* form_ = nullptr;
    Values values_{};
    std::string body_;                                          ///< of the instruction at hand
    std::vector<std::pair<std::uint32_t, std::string>> parts_;  ///< text before each slot
    std::set<std::uint32_t> targets_;                           ///< slots that need a label
    std::map<std::uint32_t, Loop> loops_;                       ///< by header
    std::vector<OpenLoop> open_;                                ///< around the instruction at hand
    std::uint32_t skipped_ = kNowhere;                          ///< what a loop's end has said already
    std::array<std::uint16_t, kTypeCount> read_{};     ///< by type: bit n: the text reads the variable of rn
    std::array<std::uint16_t, kTypeCount> written_{};  ///< likewise: writes
    bool has_straight_loop_ = false;                   ///< so far
    bool has_stack_ = false;
    bool has_image_ = false;
    bool has_invocation_ = false;
    std::size_t next_line_ = 0;
    const verifier::SourceLine* noted_ = nullptr;  ///< the source line that the text is at
};

}  // namespace ebpf::native
