// SPDX-License-Identifier: MIT
// Windows loads libraries from files only: the bytes lie in a temporary one that is kept open, shared for
// reading and deleting but not for writing, and goes when the library goes. Not tested on Windows itself.
#include "platform/library.hpp"

#include <fmt/format.h>
#include <windows.h>

#include <cstring>
#include <memory>
#include <string>

namespace ebpf::platform {

struct Library {
    std::string path;
    HANDLE file = INVALID_HANDLE_VALUE;
    HMODULE module = nullptr;
};

namespace {

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("{}: error {}", what, GetLastError()));
}

void discard(Library& library) noexcept {
    if (library.module != nullptr) FreeLibrary(library.module);
    if (library.file != INVALID_HANDLE_VALUE) CloseHandle(library.file);
    if (!library.path.empty()) DeleteFileA(library.path.c_str());
}

Result<void> write_copy(Library& library, std::span<const std::byte> bytes) {
    char folder[MAX_PATH + 1] = {};
    char path[MAX_PATH + 1] = {};
    if (GetTempPathA(MAX_PATH, folder) == 0) return refused("the folder for temporary files");
    // Makes the file, under a name that was free.
    if (GetTempFileNameA(folder, "ebp", 0, path) == 0) return refused("naming a temporary file");
    library.path = path;
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, nullptr, TRUNCATE_EXISTING,
                              FILE_ATTRIBUTE_TEMPORARY, nullptr);
    if (file == INVALID_HANDLE_VALUE) return refused("a temporary file");
    DWORD written = 0;
    const BOOL is_written =
        WriteFile(file, bytes.data(), static_cast<DWORD>(bytes.size()), &written, nullptr);
    // Reopened for reading, as the loader does not share files with those who may write them.
    CloseHandle(file);
    if (is_written == 0 || written != bytes.size()) return refused("writing a temporary file");
    library.file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                               OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (library.file == INVALID_HANDLE_VALUE) return refused("reopening a temporary file");
    return {};
}

/// True if the file, which nobody can write any more, holds `bytes`: it might have been changed before it was
/// reopened.
bool holds(const Library& library, std::span<const std::byte> bytes) {
    std::string found(bytes.size() + 1, '\0');
    DWORD got = 0;
    if (ReadFile(library.file, found.data(), static_cast<DWORD>(found.size()), &got, nullptr) == 0)
        return false;
    return got == bytes.size() && std::memcmp(found.data(), bytes.data(), bytes.size()) == 0;
}

}  // namespace

LibraryFormat library_format() noexcept {
    return LibraryFormat::Pe;
}

Result<Library*> load_library(std::span<const std::byte> bytes) {
    auto library = std::make_unique<Library>();
    auto copied = write_copy(*library, bytes);
    if (copied && !holds(*library, bytes))
        copied = fail(Status::Environment, "a temporary file was changed by others");
    if (!copied) {
        discard(*library);
        return std::unexpected(std::move(copied).error());
    }
    library->module = LoadLibraryExA(library->path.c_str(), nullptr, 0);
    if (library->module == nullptr) {
        const DWORD number = GetLastError();
        discard(*library);
        return fail(Status::Malformed, fmt::format("the system's loader refuses it: error {}", number));
    }
    return library.release();
}

void* library_symbol(const Library& library, const char* name) noexcept {
    return reinterpret_cast<void*>(GetProcAddress(library.module, name));
}

void unload_library(Library* library) noexcept {
    if (library == nullptr) return;
    discard(*library);
    delete library;
}

}  // namespace ebpf::platform
