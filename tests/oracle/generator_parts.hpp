// SPDX-License-Identifier: MIT
// The generator's inside: what it keeps about the program it is writing, and the kinds of statements.
#pragma once

#include <algorithm>
#include <vector>

#include "builder.hpp"
#include "generator.hpp"
#include "spec/helpers.hpp"

namespace ebpf::oracle {

using spec::AluOp;
using spec::Family;
using spec::FormSpec;
using spec::JumpOp;
using spec::Source;
using spec::Width;

inline constexpr std::uint32_t kRegionBytes = 64;  // memory or checked part of the packet
inline constexpr std::uint32_t kMapValueBytes = 64;
inline constexpr std::uint32_t kMostKeyBytes = 24;
inline constexpr unsigned kScratch = 1;   // holds addresses for a moment, never a number
inline constexpr unsigned kRegion = 6;    // address of memory or packet; a socket filter's context
inline constexpr unsigned kMapValue = 7;  // address of the first map's value; in a subprogram: of any memory
inline constexpr unsigned kCounter = 9;   // loop counter inside loops, else a number
inline constexpr unsigned kFrame = spec::kFramePointer;

// Maps by index.
inline constexpr std::uint32_t kValues = 0;    // an array with one element, reached without lookups
inline constexpr std::uint32_t kArray = 1;     // an array with several elements
inline constexpr std::uint32_t kHash = 2;      // a hash with few keys
inline constexpr std::uint32_t kPrograms = 3;  // a prog array, if the program has targets

/// Memory that statements may access: a register with an address and how much is valid from there.
struct Region {
    unsigned base = 0;
    std::int32_t offset = 0;  ///< of the first valid byte from `base`
    std::uint32_t bytes = 0;
    bool allows_atomics = false;
    bool is_stack = false;   ///< (perhaps) on the stack, which the kernel accesses aligned only
    bool is_packet = false;  ///< the kernel forgets its checked length when a number is added to its address
};

/// Where a function keeps what it needs besides numbers, in bytes from the frame pointer.
struct Frame {
    std::int32_t numbers_begin;
    std::int32_t numbers_bytes;
    std::int32_t saved_region;  ///< 0: not kept
    std::int32_t saved_map_value;
    std::int32_t saved_context;
    std::int32_t key;  ///< kMostKeyBytes
};
inline constexpr Frame kMainFrame{-128, 120, -136, -144, -152, -176};
inline constexpr Frame kCalleeFrame{-56, 48, 0, 0, 0, -80};

/// Who calls a subprogram, and thus what it is given.
enum class Caller : std::uint8_t { Program, Loop, ForEachElement };

/// All forms for which `predicate` holds, in table order.
template <typename Predicate>
std::vector<spec::Form> forms_where(Predicate predicate) {
    std::vector<spec::Form> result;
    for (std::size_t i = 1; i < spec::forms().size(); ++i) {
        const auto form = static_cast<spec::Form>(i);
        if (predicate(spec::form_spec(form))) result.push_back(form);
    }
    return result;
}

/// Draws one random number at most in the arguments of a call: compilers evaluate them in different orders,
/// and a seed must mean the same program whatever compiled the generator.
class Generator {
  public:
    Generator(std::uint64_t seed, const Options& options) : random_(seed), options_(options) {}
    Generated generate();

  private:
    // generator.cpp: frames of programs and subprograms
    void choose_maps();
    void fill(Bytes& bytes, std::size_t count);
    Body program(std::uint32_t statement_count);
    void open_program();
    void find_region();
    void find_map_value();
    void fill_stack(bool has_arguments);
    void fill_registers();
    void fill_register(unsigned number);
    void fold();
    void subprogram(std::size_t index);
    void open_subprogram(Caller caller);
    void add_region(const Region& region) { regions_.push_back(region); }

    // statements.cpp: numbers and control flow
    void statements(std::uint32_t count);
    void statement();
    void arithmetic();
    void division();
    void fork();
    void chain();
    void loop();
    void data_loop();
    void call();
    void call_subprogram(std::size_t index);
    void call_by_helper(std::size_t index);
    void pass_memory(unsigned to);
    void refill_after_call();
    void helper_number();

    // idioms.cpp: what optimisers look for
    void idiom();
    void wide_from_bytes();
    void bytes_from_wide();
    void swap_by_hand();
    void rotate();
    void choose_by_branch();
    void sum_loop();
    void copy();
    void extend_by_shifts();
    void constant_arithmetic();
    void overlapping_accesses();

    // accesses.cpp: memory
    void access();
    void masked_access();
    void compared_access();
    void packet_access();
    void spill();
    void atomic();
    void either_pointer();
    void context_access();
    void packet_instruction();
    void access_at(unsigned base, std::int64_t offset, spec::Form form);
    spec::Form plain_form();

    // map_statements.cpp
    void map_statement();
    void lookup();
    void update();
    void erase();
    void tail_call();
    void store_key(std::uint32_t map);
    void load_map(unsigned to, std::uint32_t map) {
        builder_.add({.family = Family::LoadImm64, .wide = spec::WideKind::MapIndex}, to, 0, 0, map);
    }

    // shared
    unsigned number() { return random_.of(numbers_); }
    /// Two different numbers' registers, `second` not the counter's if a loop needs it.
    unsigned other_number(unsigned first);
    /// What a branch compares with: a register, or a constant.
    struct Operand {
        unsigned source;
        std::int32_t imm;
    };
    Operand branch_operand(const FormSpec& form);
    const Region& region() { return random_.of(regions_); }
    [[nodiscard]] bool must_align(const Region& region) const {
        return options_.is_for_kernel && region.is_stack;
    }
    /// Whether a number may be added to the region's address.
    [[nodiscard]] bool can_index(const Region& region, std::uint8_t size) const {
        if (!options_.is_for_kernel) return true;
        return region.is_stack ? size == 1 : !region.is_packet;
    }
    std::int32_t place(const Region& region, std::uint8_t size, bool is_aligned = false);
    void alu32_imm(AluOp op, unsigned dst, std::int32_t imm) {
        builder_.add({.family = Family::Alu, .alu = op, .width = Width::W32, .source = Source::Imm}, dst, 0,
                     0, imm);
    }
    void load_context(unsigned to) { builder_.load(8, to, kFrame, frame_.saved_context); }
    [[nodiscard]] bool is_socket_filter() const { return options_.type == spec::ProgramType::SocketFilter; }
    [[nodiscard]] std::uint32_t own_regions() const { return static_cast<std::uint32_t>(regions_.size()); }

    Random random_;
    Options options_;
    Generated result_;
    Builder builder_;
    Frame frame_ = kMainFrame;
    std::vector<std::uint32_t> context_slots_;
    std::vector<Builder::Label> subprograms_;
    std::vector<Caller> callers_;  ///< by subprogram
    std::vector<bool> is_called_;
    Builder::Label exit_ = 0;
    std::vector<unsigned> numbers_;  ///< registers that hold initialised numbers
    std::vector<Region> regions_;
    unsigned depth_ = 0;
    std::size_t first_callable_ = 0;  ///< subprograms from here on may be called
    bool is_main_ = false;
    bool is_callback_ = false;
    bool has_targets_ = false;
};

}  // namespace ebpf::oracle
