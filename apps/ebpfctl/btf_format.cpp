// SPDX-License-Identifier: MIT
#include "btf_format.hpp"

#include <fmt/format.h>

#include <cstring>

#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::ctl {
namespace {

// Encoding of an Int's extra word. Source: Linux Documentation/bpf/btf.rst section 2.2.1.
constexpr std::uint32_t kSigned = 1U << 24U;
constexpr std::uint32_t kBoolean = 1U << 26U;
constexpr unsigned kBitsPerByte = 8;
constexpr unsigned kMaxDepth = 32;
constexpr std::uint32_t kMaxNumberBytes = 8;

class Formatter {
  public:
    explicit Formatter(const btf::Types& types) : types_(types) {}

    Result<Formatted> value(std::uint32_t id, std::span<const std::byte> bytes, unsigned depth) const {
        if (depth > kMaxDepth) return fail(Status::LimitExceeded, "types are nested too deeply");
        EBPF_TRY(const auto type, types_.resolve(id));
        switch (type.kind) {
            case btf::Kind::Int:
                return integer(type, bytes);
            case btf::Kind::Enum:
            case btf::Kind::Enum64:
                return enumeration(type, bytes);
            case btf::Kind::Pointer:
                return pointer(bytes);
            case btf::Kind::Array:
                return array(type, bytes, depth);
            case btf::Kind::Struct:
            case btf::Kind::Union:
                return structure(type, bytes, depth);
            case btf::Kind::DataSection:
                return section(type, bytes, depth);
            case btf::Kind::Variable:
                return value(type.target, bytes, depth + 1);
            case btf::Kind::Void:
            case btf::Kind::Forward:
            case btf::Kind::Typedef:
            case btf::Kind::Volatile:
            case btf::Kind::Const:
            case btf::Kind::Restrict:
            case btf::Kind::Function:
            case btf::Kind::FunctionPrototype:
            case btf::Kind::Float:
            case btf::Kind::DeclarationTag:
            case btf::Kind::TypeTag:
                break;
        }
        return fail(Status::NotSupported, fmt::format("type {} has no values that can be shown", type.id));
    }

  private:
    static Result<std::uint64_t> number(std::span<const std::byte> bytes, std::uint32_t size) {
        if (size == 0 || size > kMaxNumberBytes || size > bytes.size())
            return fail(Status::Malformed, fmt::format("a number of {} bytes in {}", size, bytes.size()));
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data(), size);
        return value;
    }

    static Formatted signed_number(std::uint64_t value, std::uint32_t bits) {
        const unsigned unused = 64 - bits;
        Formatted formatted;
        formatted.kind = Formatted::Kind::Signed;
        formatted.number = static_cast<std::int64_t>(value << unused) >> unused;
        return formatted;
    }

    static Formatted unsigned_number(std::uint64_t value) {
        Formatted formatted;
        formatted.kind = Formatted::Kind::Unsigned;
        formatted.number = static_cast<std::int64_t>(value);
        return formatted;
    }

    static Formatted as_integer(std::uint32_t encoding, std::uint64_t value, std::uint32_t bits) {
        if ((encoding & kSigned) != 0) return signed_number(value, bits);
        Formatted formatted = unsigned_number(value);
        if ((encoding & kBoolean) != 0) formatted.kind = Formatted::Kind::Truth;
        return formatted;
    }

    static Result<Formatted> integer(const btf::Type& type, std::span<const std::byte> bytes) {
        const auto encoding = ByteReader(type.extra).read<std::uint32_t>(0);
        if (!encoding) return fail(Status::Malformed, fmt::format("type {} has no encoding", type.id));
        EBPF_TRY(const auto value, number(bytes, type.size));
        return as_integer(*encoding, value, type.size * kBitsPerByte);
    }

    Result<Formatted> enumeration(const btf::Type& type, std::span<const std::byte> bytes) const {
        EBPF_TRY(const auto value, number(bytes, type.size));
        const bool is_wide = type.kind == btf::Kind::Enum64;
        const std::size_t record = is_wide ? 12 : 8;
        const ByteReader reader(type.extra);
        for (std::uint32_t i = 0; i < type.count; ++i) {
            const auto name = reader.read<std::uint32_t>(i * record);
            const auto low = reader.read<std::uint32_t>(i * record + 4);
            const auto high =
                is_wide ? reader.read<std::uint32_t>(i * record + 8) : StatusOr<std::uint32_t>(0);
            if (!name || !low || !high) break;
            const std::uint64_t enumerator = std::uint64_t{*high} << 32U | *low;
            if (enumerator != value) continue;
            Formatted formatted;
            formatted.kind = Formatted::Kind::Text;
            EBPF_TRY(formatted.text, types_.string(*name));
            return formatted;
        }
        return signed_number(value, type.size * kBitsPerByte);
    }

    static Result<Formatted> pointer(std::span<const std::byte> bytes) {
        EBPF_TRY(const auto value, number(bytes, sizeof(std::uint64_t)));
        Formatted formatted;
        formatted.kind = Formatted::Kind::Text;
        formatted.text = fmt::format("{:#x}", value);
        return formatted;
    }

    Result<Formatted> array(const btf::Type& type, std::span<const std::byte> bytes, unsigned depth) const {
        const auto info = btf::Types::array_of(type);
        EBPF_TRY(const auto size, types_.size_of(info.element));
        if (size == 0 || info.count > bytes.size() / size)
            return fail(Status::Malformed,
                        fmt::format("{} elements of {} bytes in {}", info.count, size, bytes.size()));
        Formatted formatted;
        formatted.kind = Formatted::Kind::List;
        for (std::uint32_t i = 0; i < info.count; ++i) {
            EBPF_TRY(auto element,
                     value(info.element, bytes.subspan(std::size_t{i} * size, size), depth + 1));
            formatted.members.push_back({"", std::move(element)});
        }
        return formatted;
    }

    /// A bitfield: its type is an integer or an enumeration, of which `bits` bits from `offset` count.
    Result<Formatted> bitfield(std::uint32_t id, std::span<const std::byte> bytes, std::uint32_t offset,
                               std::uint32_t bits) const {
        EBPF_TRY(const auto type, types_.resolve(id));
        const std::size_t last = (offset + bits - 1) / kBitsPerByte;
        if (last >= bytes.size() || bits > 64)
            return fail(Status::Malformed, "a bitfield outside its structure");
        std::uint64_t value = 0;
        for (std::uint32_t bit = 0; bit < bits; ++bit) {
            const std::uint32_t at = offset + bit;
            const auto byte = std::to_integer<std::uint64_t>(bytes[at / kBitsPerByte]);
            value |= (byte >> (at % kBitsPerByte) & 1U) << bit;
        }
        const auto encoding =
            type.kind == btf::Kind::Int ? ByteReader(type.extra).read<std::uint32_t>(0).value_or(0) : 0;
        return as_integer(encoding, value, bits);
    }

    Result<Formatted> structure(const btf::Type& type, std::span<const std::byte> bytes,
                                unsigned depth) const {
        constexpr unsigned kSizeShift = 24;
        Formatted formatted;
        formatted.kind = Formatted::Kind::Object;
        for (std::uint32_t i = 0; i < type.count; ++i) {
            const auto member = types_.member_of(type, i);
            const std::uint32_t bits = type.has_bitfields ? raw_offset(type, i) >> kSizeShift : 0;
            const std::uint32_t offset = member.bit_offset;
            if (bits != 0) {
                EBPF_TRY(auto part, bitfield(member.type, bytes, offset, bits));
                formatted.members.push_back({std::string(member.name), std::move(part)});
                continue;
            }
            if (offset / kBitsPerByte > bytes.size())
                return fail(Status::Malformed, "a member outside its structure");
            EBPF_TRY(auto part, value(member.type, bytes.subspan(offset / kBitsPerByte), depth + 1));
            formatted.members.push_back({std::string(member.name), std::move(part)});
        }
        return formatted;
    }

    static std::uint32_t raw_offset(const btf::Type& type, std::uint32_t index) {
        constexpr std::size_t kMemberBytes = 12;
        constexpr std::size_t kOffsetAt = 8;
        return ByteReader(type.extra).read<std::uint32_t>(index * kMemberBytes + kOffsetAt).value_or(0);
    }

    Result<Formatted> section(const btf::Type& type, std::span<const std::byte> bytes, unsigned depth) const {
        // The compiler leaves offsets to the linker; without one, all are 0.
        if (type.count > 1 && btf::Types::variable_of(type, type.count - 1).offset == 0)
            return fail(Status::NotSupported, "the section's variables have no offsets");
        Formatted variables;
        variables.kind = Formatted::Kind::List;
        for (std::uint32_t i = 0; i < type.count; ++i) {
            const auto info = btf::Types::variable_of(type, i);
            EBPF_TRY(const auto variable, types_.at(info.type));
            if (info.offset > bytes.size()) return fail(Status::Malformed, "a variable outside its section");
            EBPF_TRY(auto content, value(info.type, bytes.subspan(info.offset), depth + 1));
            Formatted named;
            named.kind = Formatted::Kind::Object;
            named.members.push_back({std::string(types_.name_of(variable)), std::move(content)});
            variables.members.push_back({"", std::move(named)});
        }
        Formatted formatted;
        formatted.kind = Formatted::Kind::Object;
        formatted.members.push_back({std::string(types_.name_of(type)), std::move(variables)});
        return formatted;
    }

    const btf::Types& types_;
};

}  // namespace

Result<Formatted> format_value(const btf::Types& types, std::uint32_t id, std::span<const std::byte> bytes) {
    return Formatter(types).value(id, bytes, 0);
}

}  // namespace ebpf::ctl
