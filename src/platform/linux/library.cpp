// SPDX-License-Identifier: MIT
// Maps libraries without the dynamic linker: nothing of them runs, and they lie near the process's own code.
// Their bytes are those of sealed anonymous memory.
#include "platform/library.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"
#include "platform/linux/near_text.hpp"
#include "platform/linux/sealed_memory.hpp"
#include "platform/linux/shared_object.hpp"

namespace ebpf::platform {

struct Library {
    std::byte* reserved = nullptr;  // what is mapped, with room for the alignment
    std::size_t reserved_bytes = 0;
    std::byte* base = nullptr;
    std::vector<Export> exports;

    Library() = default;
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    ~Library() {
        if (reserved != nullptr) munmap(reserved, reserved_bytes);
    }
};

namespace {

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

Result<void> reserve(Library& library, const SharedObject& object) {
    library.reserved_bytes = object.bytes + object.alignment;
    void* memory = mmap(place_near_text(library.reserved_bytes), library.reserved_bytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return fail(Status::OutOfMemory, "no room for the library");
    library.reserved = static_cast<std::byte*>(memory);
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    library.base = library.reserved + (object.alignment - address % object.alignment) % object.alignment;
    return {};
}

Result<void> map(std::byte* base, const Segment& segment, int memory, std::size_t page_bytes) {
    const std::uint64_t before = segment.address % page_bytes;
    std::byte* const start = base + segment.address - before;
    const std::size_t file_bytes = segment.file_bytes == 0 ? 0 : segment.file_bytes + before;
    const int rights =
        PROT_READ | (segment.is_executable ? PROT_EXEC : 0) | (segment.is_written ? PROT_WRITE : 0);
    if (file_bytes != 0 && mmap(start, file_bytes, rights, MAP_PRIVATE | MAP_FIXED, memory,
                                static_cast<off_t>(segment.offset - before)) == MAP_FAILED)
        return refused("mapping the library");
    if (segment.memory_bytes == segment.file_bytes) return {};
    const std::size_t all = segment.memory_bytes + before;
    const std::size_t mapped = (file_bytes + page_bytes - 1) / page_bytes * page_bytes;
    std::memset(start + file_bytes, 0, std::min(mapped, all) - file_bytes);
    if (all > mapped && mmap(start + mapped, all - mapped, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                             -1, 0) == MAP_FAILED)
        return refused("memory for the library");
    return {};
}

void relocate(std::byte* base, const SharedObject& object) {
    for (const Fixup& fixup : object.fixups) {
        const std::uint64_t value =
            fixup.value + (fixup.is_relative ? reinterpret_cast<std::uintptr_t>(base) : 0);
        std::memcpy(base + fixup.place, &value, sizeof value);
    }
}

Result<void> seal(std::byte* base, const Segment& segment, std::size_t page_bytes) {
    const std::uint64_t before = segment.address % page_bytes;
    if (segment.is_written &&
        mprotect(base + segment.address - before, segment.memory_bytes + before, PROT_READ) != 0)
        return refused("sealing the library's data");
    return {};
}

}  // namespace

LibraryFormat library_format() noexcept {
    return LibraryFormat::Elf;
}

Result<Library*> load_library(std::span<const std::byte> bytes) {
    const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    EBPF_TRY(SharedObject object, read_shared_object(bytes, page_bytes));
    EBPF_TRY(const Descriptor memory, make_sealed_memory("ebpf-image", bytes));
    auto library = std::make_unique<Library>();
    EBPF_TRY_VOID(reserve(*library, object));
    for (const Segment& segment : object.segments)
        EBPF_TRY_VOID(map(library->base, segment, memory.number(), page_bytes));
    relocate(library->base, object);
    for (const Segment& segment : object.segments) EBPF_TRY_VOID(seal(library->base, segment, page_bytes));
    library->exports = std::move(object.exports);
    return library.release();
}

void* library_symbol(const Library& library, const char* name) noexcept {
    for (const Export& symbol : library.exports) {
        if (symbol.name == name) return library.base + symbol.address;
    }
    return nullptr;
}

void unload_library(Library* library) noexcept {
    delete library;
}

}  // namespace ebpf::platform
