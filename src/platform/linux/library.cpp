// SPDX-License-Identifier: MIT
// The library's bytes lie in sealed anonymous memory, which the dynamic linker opens by its number.
#include "platform/library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {

struct Library {
    // Open as long as the library is loaded: the linker knows libraries by their paths, and this number is
    // the path.
    Descriptor memory;
    void* handle = nullptr;
};

namespace {

constexpr unsigned kExecutable = 0x10;  // MFD_EXEC; kernels before 6.3 do not know it

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

Result<Descriptor> make_memory(std::span<const std::byte> bytes) {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int number = memfd_create("ebpf-image", kFlags | kExecutable);
    if (number < 0 && errno == EINVAL) number = memfd_create("ebpf-image", kFlags);
    Descriptor memory(number);
    if (!memory.is_open()) return refused("memfd_create");
    while (!bytes.empty()) {
        const ssize_t done = write(memory.number(), bytes.data(), bytes.size());
        if (done < 0 && errno != EINTR) return refused("copying the library");
        if (done > 0) bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    if (fcntl(memory.number(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return refused("sealing the library");
    return memory;
}

}  // namespace

LibraryFormat library_format() noexcept {
    return LibraryFormat::Elf;
}

Result<Library*> load_library(std::span<const std::byte> bytes) {
    EBPF_TRY(Descriptor memory, make_memory(bytes));
    auto library = std::make_unique<Library>();
    library->memory = std::move(memory);
    const std::string path = fmt::format("/proc/self/fd/{}", library->memory.number());
    library->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library->handle == nullptr) {
        const char* reason = dlerror();
        std::string text = reason == nullptr ? "unknown reason" : reason;
        if (text.starts_with(path + ": ")) text.erase(0, path.size() + 2);
        return fail(Status::Malformed, "the dynamic linker refuses it: " + text);
    }
    return library.release();
}

void* library_symbol(const Library& library, const char* name) noexcept {
    return dlsym(library.handle, name);
}

void unload_library(Library* library) noexcept {
    if (library == nullptr) return;
    dlclose(library->handle);
    delete library;
}

}  // namespace ebpf::platform
