// SPDX-License-Identifier: MIT
// Types::parse, its checks, and the walks over types, all of them iterative.
#include "btf/types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::btf {
namespace {

struct Header {
    std::uint16_t magic;
    std::uint8_t version;
    std::uint8_t flags;
    std::uint32_t header_bytes;
    std::uint32_t type_offset;
    std::uint32_t type_bytes;
    std::uint32_t string_offset;
    std::uint32_t string_bytes;
};
static_assert(sizeof(Header) == 24);

struct TypeRecord {
    std::uint32_t name;
    std::uint32_t info;
    std::uint32_t size_or_type;
};

struct MemberRecord {
    std::uint32_t name;
    std::uint32_t type;
    std::uint32_t offset;
};

struct ArrayRecord {
    std::uint32_t element;
    std::uint32_t index;
    std::uint32_t count;
};

struct ParameterRecord {
    std::uint32_t name;
    std::uint32_t type;
};

struct VariableRecord {
    std::uint32_t type;
    std::uint32_t offset;
    std::uint32_t size;
};

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kKindCount = 20;
constexpr std::uint32_t kPointerBytes = 8;

// Bytes of the records that follow the common part of a type.
std::uint64_t extra_bytes(Kind kind, std::uint32_t count) {
    switch (kind) {
        case Kind::Int:
        case Kind::Variable:
        case Kind::DeclarationTag:
            return 4;
        case Kind::Array:
            return sizeof(ArrayRecord);
        case Kind::Struct:
        case Kind::Union:
        case Kind::DataSection:
        case Kind::Enum64:
            return std::uint64_t{count} * sizeof(MemberRecord);
        case Kind::Enum:
        case Kind::FunctionPrototype:
            return std::uint64_t{count} * sizeof(ParameterRecord);
        case Kind::Void:
        case Kind::Pointer:
        case Kind::Forward:
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::Function:
        case Kind::Float:
        case Kind::TypeTag:
            return 0;
    }
    return 0;
}

// Whether size_or_type is the id of a type.
bool has_target(Kind kind) {
    switch (kind) {
        case Kind::Pointer:
        case Kind::Typedef:
        case Kind::Volatile:
        case Kind::Const:
        case Kind::Restrict:
        case Kind::Function:
        case Kind::FunctionPrototype:
        case Kind::Variable:
        case Kind::DeclarationTag:
        case Kind::TypeTag:
            return true;
        case Kind::Void:
        case Kind::Int:
        case Kind::Array:
        case Kind::Struct:
        case Kind::Union:
        case Kind::Enum:
        case Kind::Forward:
        case Kind::DataSection:
        case Kind::Float:
        case Kind::Enum64:
            return false;
    }
    return false;
}

bool is_qualifier(Kind kind) {
    return kind == Kind::Typedef || kind == Kind::Volatile || kind == Kind::Const || kind == Kind::Restrict ||
           kind == Kind::TypeTag;
}

template <typename Record>
Record record_at(const Type& type, std::uint32_t index) {
    const auto record = ByteReader(type.extra).read<Record>(std::uint64_t{index} * sizeof(Record));
    EBPF_ASSERT(record.has_value());
    return *record;
}

// The types that a value of `type` contains: what a walk over a value would descend into.
std::uint32_t part_count(const Type& type) {
    if (is_qualifier(type.kind) || type.kind == Kind::Variable || type.kind == Kind::Array) return 1;
    const bool has_parts =
        type.kind == Kind::Struct || type.kind == Kind::Union || type.kind == Kind::DataSection;
    return has_parts ? type.count : 0;
}

std::uint32_t part(const Type& type, std::uint32_t index) {
    if (type.kind == Kind::Array) return record_at<ArrayRecord>(type, 0).element;
    if (type.kind == Kind::DataSection) return record_at<VariableRecord>(type, index).type;
    if (type.kind == Kind::Struct || type.kind == Kind::Union)
        return record_at<MemberRecord>(type, index).type;
    return type.target;
}

Result<std::span<const std::byte>> part_of_section(std::span<const std::byte> bytes, const Header& header,
                                                   std::uint32_t offset, std::uint32_t size,
                                                   const char* what) {
    const auto found = ByteReader(bytes).slice(std::uint64_t{header.header_bytes} + offset, size);
    if (!found) {
        return fail(Status::Truncated,
                    fmt::format("{} of {} bytes at offset {} are outside the section of {} bytes", what, size,
                                std::uint64_t{header.header_bytes} + offset, bytes.size()));
    }
    return *found;
}

Result<Header> read_header(std::span<const std::byte> bytes) {
    if (bytes.size() > kMaxBtfBytes) {
        return fail(Status::LimitExceeded,
                    fmt::format("{} bytes are more than {}", bytes.size(), kMaxBtfBytes));
    }
    const auto header = ByteReader(bytes).read<Header>(0);
    if (!header)
        return fail(Status::Truncated, fmt::format("{} bytes are shorter than the header", bytes.size()));
    if (header->magic != kMagic) {
        return fail(Status::NotSupported, fmt::format("magic {:#06x} is not 0xeb9f", header->magic));
    }
    if (header->version != 1 || header->flags != 0) {
        return fail(Status::NotSupported, fmt::format("version {} with flags {:#x} is not supported",
                                                      header->version, header->flags));
    }
    if (header->header_bytes < sizeof(Header) || header->header_bytes > bytes.size()) {
        return fail(Status::Malformed, fmt::format("header size {} in a section of {} bytes",
                                                   header->header_bytes, bytes.size()));
    }
    if (header->type_offset % 4 != 0) {
        return fail(Status::Malformed,
                    fmt::format("offset {} of the types is not a multiple of 4", header->type_offset));
    }
    return *header;
}

}  // namespace

Result<Types> Types::parse(std::span<const std::byte> bytes) {
    EBPF_TRY(const Header header, read_header(bytes));
    Types types;
    EBPF_TRY(types.strings_,
             part_of_section(bytes, header, header.string_offset, header.string_bytes, "strings"));
    if (types.strings_.empty() || types.strings_.front() != std::byte{0} ||
        types.strings_.back() != std::byte{0}) {
        return fail(Status::Malformed,
                    fmt::format("strings of {} bytes do not begin and end with NUL", types.strings_.size()));
    }
    EBPF_TRY(const auto records,
             part_of_section(bytes, header, header.type_offset, header.type_bytes, "types"));
    EBPF_TRY_VOID(types.read_types(records));
    for (const auto& type : types.types_) EBPF_TRY_VOID(types.check_references(type));
    EBPF_TRY_VOID(types.check_cycles());
    return types;
}

Result<void> Types::read_types(std::span<const std::byte> bytes) {
    const ByteReader reader(bytes);
    types_.push_back(Type{});
    std::uint64_t offset = 0;
    while (offset < bytes.size()) {
        if (types_.size() > kMaxTypes)
            return fail(Status::LimitExceeded, fmt::format("more than {} types", kMaxTypes));
        Type type;
        type.id = count();
        const auto record = reader.read<TypeRecord>(offset);
        if (!record) {
            return fail(Status::Truncated, fmt::format("type {} at offset {} is cut off", type.id, offset));
        }
        const std::uint32_t kind = (record->info >> 24U) & 0x1fU;
        if (kind == 0 || kind >= kKindCount) {
            return fail(Status::NotSupported,
                        fmt::format("type {} at offset {} has unknown kind {}", type.id, offset, kind));
        }
        type.kind = static_cast<Kind>(kind);
        type.name = record->name;
        type.count = record->info & 0xffffU;
        type.has_bitfields = (record->info >> 31U) != 0;
        (has_target(type.kind) ? type.target : type.size) = record->size_or_type;
        offset += sizeof(TypeRecord);
        const std::uint64_t extra = extra_bytes(type.kind, type.count);
        const auto rest = reader.slice(offset, extra);
        if (!rest) {
            return fail(Status::Truncated,
                        fmt::format("type {} of kind {} needs {} bytes at offset {}, {} are left", type.id,
                                    kind, extra, offset, bytes.size() - offset));
        }
        type.extra = *rest;
        offset += extra;
        types_.push_back(type);
    }
    return {};
}

Result<void> Types::check_references(const Type& type) const {
    const auto check_id = [&](std::uint32_t id) -> Result<void> {
        if (id < types_.size()) return {};
        return fail(Status::Malformed,
                    fmt::format("type {} refers to type {} of {}", type.id, id, types_.size()));
    };
    const auto check_name = [&](std::uint32_t offset) -> Result<void> {
        if (offset < strings_.size()) return {};
        return fail(Status::Malformed, fmt::format("type {} has its name at offset {} of {} bytes of strings",
                                                   type.id, offset, strings_.size()));
    };
    EBPF_TRY_VOID(check_name(type.name));
    EBPF_TRY_VOID(check_id(type.target));
    if (type.kind == Kind::Array) {
        const auto array = record_at<ArrayRecord>(type, 0);
        EBPF_TRY_VOID(check_id(array.element));
        return check_id(array.index);
    }
    for (std::uint32_t i = 0; i < type.count; ++i) {
        if (type.kind == Kind::Struct || type.kind == Kind::Union) {
            const auto member = record_at<MemberRecord>(type, i);
            EBPF_TRY_VOID(check_name(member.name));
            EBPF_TRY_VOID(check_id(member.type));
        } else if (type.kind == Kind::FunctionPrototype) {
            const auto parameter = record_at<ParameterRecord>(type, i);
            EBPF_TRY_VOID(check_name(parameter.name));
            EBPF_TRY_VOID(check_id(parameter.type));
        } else if (type.kind == Kind::DataSection) {
            const auto variable = record_at<VariableRecord>(type, i);
            EBPF_TRY_VOID(check_id(variable.type));
        } else if (type.kind == Kind::Enum) {
            EBPF_TRY_VOID(check_name(record_at<ParameterRecord>(type, i).name));
        } else if (type.kind == Kind::Enum64) {
            EBPF_TRY_VOID(check_name(record_at<MemberRecord>(type, i).name));
        }
    }
    return {};
}

// Depth-first over parts with an explicit stack: a part that is still open contains itself.
Result<void> Types::check_cycles() const {
    enum class State : std::uint8_t { New, Open, Done };
    struct Frame {
        std::uint32_t id;
        std::uint32_t next_part;
    };
    std::vector<State> states(types_.size(), State::New);
    std::vector<Frame> stack;
    for (std::uint32_t root = 1; root < types_.size(); ++root) {
        if (states[root] != State::New) continue;
        states[root] = State::Open;
        stack.push_back({root, 0});
        while (!stack.empty()) {
            Frame& frame = stack.back();
            const Type& type = types_[frame.id];
            if (frame.next_part == part_count(type)) {
                states[frame.id] = State::Done;
                stack.pop_back();
                continue;
            }
            const std::uint32_t child = part(type, frame.next_part++);
            if (states[child] == State::Open) {
                return fail(Status::Malformed,
                            fmt::format("type {} contains itself, through type {}", child, type.id));
            }
            if (states[child] == State::Done) continue;
            states[child] = State::Open;
            stack.push_back({child, 0});
        }
    }
    return {};
}

Result<Type> Types::at(std::uint32_t id) const {
    if (id >= types_.size())
        return fail(Status::NotFound, fmt::format("type {} of {} does not exist", id, types_.size()));
    return types_[id];
}

// Cut strings keep the work per lookup constant, whatever the file says.
std::string_view Types::text_at(std::uint32_t offset) const {
    const auto rest = strings_.subspan(offset);
    const std::string_view text(reinterpret_cast<const char*>(rest.data()),
                                std::min(rest.size(), kMaxStringBytes));
    return text.substr(0, text.find('\0'));
}

Result<std::string_view> Types::string(std::uint32_t offset) const {
    if (offset >= strings_.size()) {
        return fail(Status::Malformed,
                    fmt::format("string offset {} is outside {} bytes of strings", offset, strings_.size()));
    }
    return text_at(offset);
}

std::string_view Types::name_of(const Type& type) const {
    return text_at(type.name);
}

Result<Type> Types::resolve(std::uint32_t id) const {
    EBPF_TRY(Type type, at(id));
    for (std::uint32_t step = 0; is_qualifier(type.kind); ++step) {
        if (step == kMaxResolveSteps) {
            return fail(Status::LimitExceeded,
                        fmt::format("type {} hides behind more than {} typedefs and qualifiers", id,
                                    kMaxResolveSteps));
        }
        EBPF_TRY(type, at(type.target));
    }
    return type;
}

Result<std::uint32_t> Types::size_of(std::uint32_t id) const {
    std::uint64_t factor = 1;
    std::uint32_t current = id;
    for (std::uint32_t level = 0; level < kMaxResolveSteps; ++level) {
        EBPF_TRY(const Type type, resolve(current));
        std::uint64_t size = 0;
        switch (type.kind) {
            case Kind::Array: {
                const ArrayInfo array = array_of(type);
                factor *= array.count;
                if (factor > std::numeric_limits<std::uint32_t>::max()) {
                    return fail(Status::Malformed, fmt::format("type {} has 4 GiB or more", id));
                }
                current = array.element;
                continue;
            }
            case Kind::Pointer:
                size = kPointerBytes;
                break;
            case Kind::Int:
            case Kind::Struct:
            case Kind::Union:
            case Kind::Enum:
            case Kind::Float:
            case Kind::Enum64:
            case Kind::DataSection:
                size = type.size;
                break;
            case Kind::Void:
            case Kind::Forward:
            case Kind::Typedef:
            case Kind::Volatile:
            case Kind::Const:
            case Kind::Restrict:
            case Kind::Function:
            case Kind::FunctionPrototype:
            case Kind::Variable:
            case Kind::DeclarationTag:
            case Kind::TypeTag:
                return fail(Status::Malformed, fmt::format("type {} of kind {} has no size", type.id,
                                                           static_cast<unsigned>(type.kind)));
        }
        // Both factors are below 2^32: the product fits.
        if (size * factor > std::numeric_limits<std::uint32_t>::max()) {
            return fail(Status::Malformed, fmt::format("type {} has 4 GiB or more", id));
        }
        return static_cast<std::uint32_t>(size * factor);
    }
    return fail(Status::LimitExceeded,
                fmt::format("type {} has more than {} array levels", id, kMaxResolveSteps));
}

ArrayInfo Types::array_of(const Type& type) {
    const auto record = record_at<ArrayRecord>(type, 0);
    return {record.element, record.count};
}

Member Types::member_of(const Type& type, std::uint32_t index) const {
    const auto record = record_at<MemberRecord>(type, index);
    Member member;
    member.name = text_at(record.name);
    member.type = record.type;
    member.bit_offset = type.has_bitfields ? record.offset & 0xffffffU : record.offset;
    return member;
}

VariableInfo Types::variable_of(const Type& type, std::uint32_t index) {
    const auto record = record_at<VariableRecord>(type, index);
    return {record.type, record.offset, record.size};
}

Type Types::find_data_section(std::string_view name) const {
    for (const auto& type : types_) {
        if (type.kind == Kind::DataSection && name_of(type) == name) return type;
    }
    return {};
}

}  // namespace ebpf::btf
