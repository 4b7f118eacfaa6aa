// SPDX-License-Identifier: MIT
// Reader of BTF types and strings (section .BTF). Describes, never decides: nothing safety depends on comes
// from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ebpf::btf {

/// Kinds of types; numbers of the format. Source: Linux Documentation/bpf/btf.rst section 2.2.
enum class Kind : std::uint8_t {
    Void = 0,
    Int = 1,
    Pointer = 2,
    Array = 3,
    Struct = 4,
    Union = 5,
    Enum = 6,
    Forward = 7,
    Typedef = 8,
    Volatile = 9,
    Const = 10,
    Restrict = 11,
    Function = 12,
    FunctionPrototype = 13,
    Variable = 14,
    DataSection = 15,
    Float = 16,
    DeclarationTag = 17,
    TypeTag = 18,
    Enum64 = 19,
};

inline constexpr std::size_t kMaxBtfBytes = std::size_t{16} << 20U;
inline constexpr std::uint32_t kMaxTypes = 0xfffff;
inline constexpr std::size_t kMaxStringBytes = 4096;   ///< longer strings are cut
inline constexpr std::uint32_t kMaxResolveSteps = 64;  ///< typedefs, qualifiers and array levels of one type

struct Type {
    std::uint32_t id = 0;
    Kind kind = Kind::Void;
    std::uint32_t name = 0;            ///< offset in the strings, in range
    std::uint32_t count = 0;           ///< members, enumerators, parameters, variables
    bool has_bitfields = false;        ///< kind_flag: member offsets carry sizes
    std::uint32_t size = 0;            ///< bytes: Int, Struct, Union, Enum, Float, DataSection, Enum64
    std::uint32_t target = 0;          ///< type id: the kinds that refer to one, in range
    std::span<const std::byte> extra;  ///< records behind the common part
};

struct Member {
    std::string_view name;
    std::uint32_t type = 0;
    std::uint32_t bit_offset = 0;
};

struct ArrayInfo {
    std::uint32_t element = 0;
    std::uint32_t count = 0;
};

struct VariableInfo {
    std::uint32_t type = 0;    ///< id of a Variable
    std::uint32_t offset = 0;  ///< in the section; 0 in objects that no linker has finished
    std::uint32_t size = 0;
};

/// The types of an object. Type ids in it have been checked to be in range, and no type contains itself by
/// value. Threads: any. Lifetime: views the bytes given to parse().
class Types {
  public:
    /// Errors: Truncated, Malformed (also: cycles), NotSupported (magic, version, unknown kind),
    /// LimitExceeded; the message
    ///   names type id, offset and number.
    /// Cost: linear.
    static Result<Types> parse(std::span<const std::byte> bytes);

    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(types_.size()); }
    /// Errors: NotFound - `id` is out of range. Id 0 is void.
    [[nodiscard]] Result<Type> at(std::uint32_t id) const;
    /// Returns the string at `offset`, or its first kMaxStringBytes. Errors: Malformed - outside the strings.
    [[nodiscard]] Result<std::string_view> string(std::uint32_t offset) const;
    /// Returns the name of `type`, which may be empty.
    [[nodiscard]] std::string_view name_of(const Type& type) const;

    /// Follows typedefs and qualifiers from `id`. Errors: NotFound; LimitExceeded - more than
    /// kMaxResolveSteps.
    [[nodiscard]] Result<Type> resolve(std::uint32_t id) const;
    /// Returns the size in bytes of a value of type `id`; a pointer has 8.
    /// Errors: NotFound, LimitExceeded, Malformed - a type without size, or one of 4 GiB or more.
    [[nodiscard]] Result<std::uint32_t> size_of(std::uint32_t id) const;

    /// Requires: type.kind is Array.
    [[nodiscard]] static ArrayInfo array_of(const Type& type);
    /// Returns member `index` of a Struct or Union. Requires: index < type.count.
    [[nodiscard]] Member member_of(const Type& type, std::uint32_t index) const;
    /// Returns variable `index` of a DataSection. Requires: index < type.count.
    [[nodiscard]] static VariableInfo variable_of(const Type& type, std::uint32_t index);

    /// Returns the first DataSection called `name`, or a Void type.
    [[nodiscard]] Type find_data_section(std::string_view name) const;

  private:
    [[nodiscard]] std::string_view text_at(std::uint32_t offset) const;
    Result<void> read_types(std::span<const std::byte> bytes);
    Result<void> check_references(const Type& type) const;
    Result<void> check_cycles() const;

    std::vector<Type> types_;
    std::span<const std::byte> strings_;
};

}  // namespace ebpf::btf
