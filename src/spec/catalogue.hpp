// SPDX-License-Identifier: MIT
// Catalogue: the tables together with a program type that a provider has added to them at run time.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "spec/helpers.hpp"
#include "spec/programs.hpp"

namespace ebpf::spec {

/// First number of program types that are registered at run time, and of the helpers that they bring.
inline constexpr std::uint32_t kFirstRegisteredType = 0x1100000;
inline constexpr std::uint32_t kFirstRegisteredHelper = 0x1000000;

/// Context of registered program types; which fields it has depends on the type.
inline constexpr ContextId kRegisteredContext{0xff};

inline constexpr std::size_t kMaxRegisteredFields = 128;
inline constexpr std::size_t kMaxRegisteredHelpers = 128;
/// Fields lie below this, so that every offset fits an instruction.
inline constexpr std::uint32_t kMaxRegisteredContextBytes = 4096;

/// A program type that is no row of the tables. Programs see the structure that the host fills in, as it is.
/// Lifetime: refers to rows kept elsewhere.
struct RegisteredType {
    ProgramTypeSpec type;
    ContextSpec context;
    std::span<const ContextField> fields;
    std::span<const HelperSpec> helpers;  ///< for programs of this type only
    bool may_write_packet = false;
};

/// The tables, and one registered program type or none. What a program of a type may do is asked here.
/// Programs of a registered type may call its own helpers and those that the tables give to all types.
/// Threads: any. Lifetime: refers to the registered type.
class Catalogue {
  public:
    constexpr Catalogue() = default;
    constexpr explicit Catalogue(const RegisteredType* registered) : registered_(registered) {}

    /// Returns the row of program type `number`, or nullptr.
    [[nodiscard]] const ProgramTypeSpec* find_program_type(std::uint32_t number) const noexcept;
    [[nodiscard]] const ContextSpec& context_of(const ProgramTypeSpec& type) const noexcept;
    /// Returns the field of the type's context that covers [offset, offset+size) wholly, or nullptr.
    [[nodiscard]] const ContextField* find_field(const ProgramTypeSpec& type, std::int64_t offset,
                                                 std::uint32_t size) const noexcept;
    [[nodiscard]] bool may_write_packet(const ProgramTypeSpec& type) const noexcept;
    /// Returns the row with `id`, or nullptr.
    [[nodiscard]] const HelperSpec* find_helper(std::uint32_t id) const noexcept;
    /// Whether programs of `type` may call `helper`, a row of this catalogue.
    [[nodiscard]] bool may_call(const ProgramTypeSpec& type, const HelperSpec& helper) const noexcept;

  private:
    [[nodiscard]] bool is_registered(const ProgramTypeSpec& type) const noexcept {
        return registered_ != nullptr && type.type == registered_->type.type;
    }

    const RegisteredType* registered_ = nullptr;
};

/// Returns the first of `rows` that an ELF section name selects, or nullptr.
const SectionSpec* find_section(std::string_view name, std::span<const SectionSpec> rows) noexcept;

}  // namespace ebpf::spec
