// SPDX-License-Identifier: MIT
// What the checks need to know of the program under verification besides states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "check/value.hpp"
#include "isa/instruction.hpp"
#include "spec/catalogue.hpp"
#include "spec/helpers.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "spec/rules.hpp"

namespace ebpf::check {

/// A map as the checks see it.
struct MapView {
    spec::MapShape shape;
    bool is_frozen = false;               ///< contents never change, by programs neither
    std::span<const std::byte> contents;  ///< of a frozen array with one element; else empty
};

/// Lifetime: owns nothing.
struct Program {
    std::span<const isa::Instruction> code;
    spec::Catalogue catalogue;
    const spec::ProgramTypeSpec* type = nullptr;     ///< a row of the catalogue
    spec::AttachTypeMask attach = spec::kAnyAttach;  ///< what it is verified for; see spec::attach_mask()
    std::span<const MapView> maps;
    std::uint64_t memory_length = 0;
    bool is_gpl = false;
};

inline constexpr std::uint8_t kNoRegister = 0xff;

/// What could not be proven at an instruction, in numbers; the verifier makes text of it.
struct Finding {
    spec::Rule rule = spec::Rule::None;
    std::uint8_t reg = kNoRegister;  ///< register the finding is about
    Value known;                     ///< what was known of it, or of what it points to
    std::int64_t low = 0;            ///< offsets of the access from the base of the region: lowest first byte
    std::int64_t high = 0;           ///< highest first byte
    std::int64_t size = 0;           ///< bytes accessed
    std::int64_t available = 0;      ///< bytes that may be accessed, as far as known
    std::uint32_t number = 0;        ///< helper id, map index, function slot: by rule
    std::uint8_t argument = 0;       ///< helper argument, from 1; 0 for none
    std::uint32_t helper = 0;        ///< whose argument it is
    spec::ArgKind expected = spec::ArgKind::None;
    bool is_write = false;
    const char* note = "";  ///< which of several cases of the rule; may be empty

    /// Fills in the rule; always false, so that checks read `return finding.fail(...)`.
    bool fail(spec::Rule which, std::uint8_t at_register, const Value& value, const char* why = "") {
        rule = which;
        reg = at_register;
        known = value;
        note = why;
        return false;
    }
};

}  // namespace ebpf::check
