// SPDX-License-Identifier: MIT
#include "platform/linux/shared_object.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/byte_reader.hpp"
#include "base/try.hpp"

namespace ebpf::platform {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20U;
constexpr std::uint64_t kMostAlignment = std::uint64_t{2} << 20U;

#if defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
constexpr std::uint32_t kRelative = R_AARCH64_RELATIVE;
constexpr std::uint32_t kAddress = R_AARCH64_ABS64;
constexpr std::uint32_t kDataAddress = R_AARCH64_GLOB_DAT;
constexpr std::uint32_t kCallAddress = R_AARCH64_JUMP_SLOT;
#else
constexpr std::uint16_t kMachine = EM_X86_64;
constexpr std::uint32_t kRelative = R_X86_64_RELATIVE;
constexpr std::uint32_t kAddress = R_X86_64_64;
constexpr std::uint32_t kDataAddress = R_X86_64_GLOB_DAT;
constexpr std::uint32_t kCallAddress = R_X86_64_JUMP_SLOT;
#endif

std::optional<std::uint64_t> function_of_the_host(std::string_view name) {
    const auto number = [](auto* function) { return reinterpret_cast<std::uintptr_t>(function); };
    if (name == "memcpy") return number(&std::memcpy);
    if (name == "memmove") return number(&std::memmove);
    if (name == "memset") return number(&std::memset);
    if (name == "memcmp") return number(&std::memcmp);
    return std::nullopt;
}

/// What is addressed in PT_DYNAMIC; 0: absent.
struct Dynamic {
    std::uint64_t symbols = 0;
    std::uint64_t names = 0;
    std::uint64_t name_bytes = 0;
    std::uint64_t hash = 0;
    std::uint64_t relocations = 0;
    std::uint64_t relocation_bytes = 0;
    std::uint64_t calls = 0;
    std::uint64_t call_bytes = 0;
};

class Parser {
  public:
    Parser(std::span<const std::byte> file, std::uint64_t page_bytes)
        : file_(file), page_bytes_(page_bytes) {}

    Result<SharedObject> run() {
        EBPF_TRY_VOID(read_segments());
        EBPF_TRY_VOID(read_dynamic());
        EBPF_TRY_VOID(read_exports());
        EBPF_TRY_VOID(read_relocations("DT_RELA", dynamic_.relocations, dynamic_.relocation_bytes));
        EBPF_TRY_VOID(read_relocations("DT_JMPREL", dynamic_.calls, dynamic_.call_bytes));
        return std::move(object_);
    }

  private:
    static std::unexpected<Error> malformed(std::string text) {
        return fail(Status::Malformed, std::move(text));
    }
    static std::unexpected<Error> unsupported(std::string text) {
        return fail(Status::NotSupported, std::move(text));
    }

    /// Returns what the file has from an address of the object to the end of its segment.
    ByteReader contents_at(std::uint64_t address) const {
        for (const Segment& segment : object_.segments) {
            if (address < segment.address || address - segment.address >= segment.file_bytes) continue;
            const std::uint64_t inside = address - segment.address;
            const auto contents = file_.slice(segment.offset + inside, segment.file_bytes - inside);
            if (contents) return ByteReader(*contents);
        }
        return ByteReader({});
    }

    /// Reads what lies at an address of the object.
    template <typename T>
    Result<T> at(std::uint64_t address, std::string_view what) const {
        const auto value = contents_at(address).read<T>(0);
        if (value) return *value;
        return fail(Status::Truncated, fmt::format("{} at address {:#x} lies in no segment", what, address));
    }

    Result<std::string_view> name_at(std::uint64_t offset) const {
        const auto contents = contents_at(dynamic_.names).bytes();
        const auto bytes = std::min<std::uint64_t>(dynamic_.name_bytes, contents.size());
        const auto text = ByteReader(contents.first(static_cast<std::size_t>(bytes))).text(offset);
        if (text) return *text;
        return fail(Status::Truncated, fmt::format("a symbol's name at {:#x} of its table", offset));
    }

    Result<void> read_segments();
    Result<void> add_segment(const Elf64_Phdr& header);
    Result<void> read_dynamic();
    Result<void> note(const Elf64_Dyn& entry);
    Result<void> read_exports();
    Result<std::uint64_t> last_hashed_symbol() const;
    Result<void> read_relocations(std::string_view table, std::uint64_t address, std::uint64_t bytes);
    Result<void> read_relocation(const Elf64_Rela& record);
    Result<Fixup> symbol_fixup(const Elf64_Rela& record) const;
    bool is_written(std::uint64_t place) const;

    ByteReader file_;
    std::uint64_t page_bytes_;
    SharedObject object_;
    Dynamic dynamic_;
    std::uint64_t dynamic_address_ = 0;
    std::uint64_t dynamic_bytes_ = 0;
};

Result<void> Parser::read_segments() {
    const auto header = file_.read<Elf64_Ehdr>(0);
    if (!header) return fail(Status::Truncated, "the ELF header");
    const bool is_ours = std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                         header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
                         header->e_machine == kMachine && header->e_type == ET_DYN &&
                         header->e_phentsize == sizeof(Elf64_Phdr);
    if (!is_ours) return malformed("no shared library of this host");
    object_.alignment = page_bytes_;
    for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
        const auto part = file_.read<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
        if (!part) return fail(Status::Truncated, fmt::format("program header {}", i));
        if (part->p_type == PT_TLS) return unsupported("it has thread-local variables");
        if (part->p_type == PT_DYNAMIC) {
            dynamic_address_ = part->p_vaddr;
            dynamic_bytes_ = part->p_filesz;
        }
        if (part->p_type == PT_LOAD && part->p_memsz != 0) EBPF_TRY_VOID(add_segment(*part));
    }
    if (object_.segments.empty() || dynamic_bytes_ == 0) return malformed("it has nothing to load");
    return {};
}

Result<void> Parser::add_segment(const Elf64_Phdr& header) {
    const std::uint64_t start = header.p_vaddr;
    const bool is_written = (header.p_flags & PF_W) != 0;
    const bool is_executable = (header.p_flags & PF_X) != 0;
    const auto refused = [&](std::string_view why) {
        return malformed(fmt::format("the segment at address {:#x} {}", start, why));
    };
    if (start > kMostBytes || header.p_memsz > kMostBytes - start)
        return fail(Status::LimitExceeded,
                    fmt::format("the segment at address {:#x} has {} bytes", start, header.p_memsz));
    if (!file_.slice(header.p_offset, header.p_filesz)) return refused("ends behind the file");
    if (header.p_filesz > header.p_memsz || (header.p_filesz < header.p_memsz && !is_written))
        return refused("has other sizes in the file and in memory");
    if (is_written && is_executable) return refused("is writable and executable");
    if (start % page_bytes_ != header.p_offset % page_bytes_) return refused("lies across the file's pages");
    if (start / page_bytes_ * page_bytes_ < object_.bytes) return refused("shares a page with another");
    const std::uint64_t alignment = std::max<std::uint64_t>(header.p_align, 1);
    if (!std::has_single_bit(alignment) || alignment > kMostAlignment)
        return refused(fmt::format("has alignment {}", alignment));
    object_.alignment = std::max(object_.alignment, alignment);
    object_.bytes = (start + header.p_memsz + page_bytes_ - 1) / page_bytes_ * page_bytes_;
    object_.segments.push_back(
        {start, header.p_offset, header.p_filesz, header.p_memsz, is_executable, is_written});
    return {};
}

Result<void> Parser::read_dynamic() {
    for (std::uint64_t done = 0; done + sizeof(Elf64_Dyn) <= dynamic_bytes_; done += sizeof(Elf64_Dyn)) {
        EBPF_TRY(const auto entry, at<Elf64_Dyn>(dynamic_address_ + done, "the dynamic segment"));
        if (entry.d_tag == DT_NULL) break;
        EBPF_TRY_VOID(note(entry));
    }
    if (dynamic_.symbols == 0 || dynamic_.names == 0 || dynamic_.hash == 0)
        return malformed("it has no table of symbols, of names, or no DT_GNU_HASH");
    return {};
}

Result<void> Parser::note(const Elf64_Dyn& entry) {
    const std::uint64_t value = entry.d_un.d_val;
    switch (entry.d_tag) {
        case DT_SYMTAB:
            dynamic_.symbols = value;
            break;
        case DT_STRTAB:
            dynamic_.names = value;
            break;
        case DT_STRSZ:
            dynamic_.name_bytes = value;
            break;
        case DT_GNU_HASH:
            dynamic_.hash = value;
            break;
        case DT_RELA:
            dynamic_.relocations = value;
            break;
        case DT_RELASZ:
            dynamic_.relocation_bytes = value;
            break;
        case DT_JMPREL:
            dynamic_.calls = value;
            break;
        case DT_PLTRELSZ:
            dynamic_.call_bytes = value;
            break;
        case DT_INIT:
        case DT_INIT_ARRAY:
        case DT_PREINIT_ARRAY:
        case DT_FINI:
        case DT_FINI_ARRAY:
            return unsupported(
                "it has functions that run when it is loaded or unloaded: link it with "
                "-nostdlib");
        case DT_REL:
        case DT_RELR:
        case DT_TEXTREL:
            return unsupported(fmt::format("it has relocations of dynamic tag {}", entry.d_tag));
        default:
            break;
    }
    return {};
}

// The hash table leads to symbols, not to their number: the last one ends the chain that begins last.
Result<std::uint64_t> Parser::last_hashed_symbol() const {
    struct Header {
        std::uint32_t buckets;
        std::uint32_t first;
        std::uint32_t words;
        std::uint32_t shift;
    };
    constexpr std::string_view kWhat = "the hash table";
    EBPF_TRY(const auto header, at<Header>(dynamic_.hash, kWhat));
    const std::uint64_t buckets =
        dynamic_.hash + sizeof(Header) + std::uint64_t{header.words} * sizeof(std::uint64_t);
    const std::uint64_t chains = buckets + std::uint64_t{header.buckets} * sizeof(std::uint32_t);
    std::uint32_t last = 0;
    for (std::uint64_t i = 0; i < header.buckets; ++i) {
        EBPF_TRY(const auto first, at<std::uint32_t>(buckets + i * sizeof(std::uint32_t), kWhat));
        last = std::max(last, first);
    }
    if (last < header.first) return 0;
    for (std::uint64_t symbol = last;; ++symbol) {
        const std::uint64_t link = chains + (symbol - header.first) * sizeof(std::uint32_t);
        EBPF_TRY(const auto hash, at<std::uint32_t>(link, kWhat));
        if ((hash & 1U) != 0) return symbol;
    }
}

Result<void> Parser::read_exports() {
    EBPF_TRY(const std::uint64_t last, last_hashed_symbol());
    for (std::uint64_t i = 1; i <= last; ++i) {
        EBPF_TRY(const auto symbol,
                 at<Elf64_Sym>(dynamic_.symbols + i * sizeof(Elf64_Sym), "the table of symbols"));
        const bool is_chosen = ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC;
        if (symbol.st_shndx == SHN_UNDEF || is_chosen || symbol.st_value >= object_.bytes) continue;
        EBPF_TRY(const auto name, name_at(symbol.st_name));
        object_.exports.push_back({std::string(name), symbol.st_value});
    }
    return {};
}

bool Parser::is_written(std::uint64_t place) const {
    return std::ranges::any_of(object_.segments, [&](const Segment& segment) {
        return segment.is_written && place >= segment.address &&
               segment.memory_bytes >= sizeof(std::uint64_t) &&
               place - segment.address <= segment.memory_bytes - sizeof(std::uint64_t);
    });
}

Result<void> Parser::read_relocations(std::string_view table, std::uint64_t address, std::uint64_t bytes) {
    for (std::uint64_t done = 0; done + sizeof(Elf64_Rela) <= bytes; done += sizeof(Elf64_Rela)) {
        EBPF_TRY(const auto record, at<Elf64_Rela>(address + done, table));
        EBPF_TRY_VOID(read_relocation(record));
    }
    return {};
}

Result<void> Parser::read_relocation(const Elf64_Rela& record) {
    const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(record.r_info));
    if (!is_written(record.r_offset))
        return malformed(
            fmt::format("a relocation at address {:#x}, which is not writable", record.r_offset));
    Fixup fixup{record.r_offset, static_cast<std::uint64_t>(record.r_addend), true};
    if (type == kAddress || type == kDataAddress || type == kCallAddress) {
        EBPF_TRY(fixup, symbol_fixup(record));
    } else if (type != kRelative) {
        return unsupported(fmt::format("a relocation of type {} at address {:#x}", type, record.r_offset));
    }
    if (fixup.is_relative && fixup.value > object_.bytes)
        return malformed(fmt::format("a relocation at address {:#x} to {:#x}, outside of it", record.r_offset,
                                     fixup.value));
    object_.fixups.push_back(fixup);
    return {};
}

Result<Fixup> Parser::symbol_fixup(const Elf64_Rela& record) const {
    const std::uint64_t number = ELF64_R_SYM(record.r_info);
    EBPF_TRY(const auto symbol,
             at<Elf64_Sym>(dynamic_.symbols + number * sizeof(Elf64_Sym), "the table of symbols"));
    const auto addend = static_cast<std::uint64_t>(record.r_addend);
    if (symbol.st_shndx != SHN_UNDEF) {
        if (ELF64_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC)
            return unsupported("it chooses a function when it is loaded (IFUNC)");
        return Fixup{record.r_offset, symbol.st_value + addend, true};
    }
    EBPF_TRY(const auto name, name_at(symbol.st_name));
    if (const auto known = function_of_the_host(name)) return Fixup{record.r_offset, *known + addend, false};
    if (ELF64_ST_BIND(symbol.st_info) == STB_WEAK) return Fixup{record.r_offset, 0, false};
    return unsupported(fmt::format("it needs '{}' of another library", name));
}

}  // namespace

Result<SharedObject> read_shared_object(std::span<const std::byte> file, std::uint64_t page_bytes) {
    return Parser(file, page_bytes).run();
}

}  // namespace ebpf::platform
