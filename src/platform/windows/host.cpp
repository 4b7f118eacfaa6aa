// SPDX-License-Identifier: MIT
// The host contract in Windows user mode: hashes and files.
#include <windows.h>
// after windows.h, whose types it needs
#include <bcrypt.h>
#include <fmt/format.h>

#include <cstdlib>

#include "platform/file.hpp"
#include "platform/hash.hpp"

namespace ebpf::platform {
namespace {

/// Closes a file handle at the end of a scope.
class FileHandle {
  public:
    explicit FileHandle(HANDLE handle) : handle_(handle) {}
    ~FileHandle() {
        if (is_open()) CloseHandle(handle_);
    }
    FileHandle(const FileHandle&) = delete;
    FileHandle& operator=(const FileHandle&) = delete;
    [[nodiscard]] bool is_open() const { return handle_ != INVALID_HANDLE_VALUE; }
    [[nodiscard]] HANDLE get() const { return handle_; }

  private:
    HANDLE handle_;
};

Status status_of_error(DWORD number) {
    if (number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND) return Status::NotFound;
    if (number == ERROR_ACCESS_DENIED) return Status::AccessDenied;
    return Status::Environment;
}

}  // namespace

Sha256 sha256(std::span<const std::byte> bytes) {
    BCRYPT_ALG_HANDLE algorithm = nullptr;
    BCRYPT_HASH_HANDLE hash = nullptr;
    Sha256 digest{};
    // BCrypt takes non-const input but does not write to it.
    auto* input = const_cast<PUCHAR>(reinterpret_cast<const UCHAR*>(bytes.data()));
    const bool is_done =
        BCryptOpenAlgorithmProvider(&algorithm, BCRYPT_SHA256_ALGORITHM, nullptr, 0) >= 0 &&
        BCryptCreateHash(algorithm, &hash, nullptr, 0, nullptr, 0, 0) >= 0 &&
        BCryptHashData(hash, input, static_cast<ULONG>(bytes.size()), 0) >= 0 &&
        BCryptFinishHash(hash, reinterpret_cast<PUCHAR>(digest.data()), digest.size(), 0) >= 0;
    if (hash != nullptr) BCryptDestroyHash(hash);
    if (algorithm != nullptr) BCryptCloseAlgorithmProvider(algorithm, 0);
    if (!is_done) std::abort();
    return digest;
}

Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t max_bytes) {
    const FileHandle file(CreateFileA(path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                      FILE_ATTRIBUTE_NORMAL, nullptr));
    if (!file.is_open()) {
        const DWORD number = GetLastError();
        return fail(status_of_error(number), fmt::format("{}: cannot be opened (error {})", path, number));
    }
    std::vector<std::byte> bytes;
    constexpr std::size_t kChunk = 65536;
    while (true) {
        const std::size_t done = bytes.size();
        if (done > max_bytes) {
            return fail(Status::TooBig, fmt::format("{}: more than {} bytes", path, max_bytes));
        }
        bytes.resize(done + kChunk);
        DWORD got = 0;
        if (ReadFile(file.get(), bytes.data() + done, kChunk, &got, nullptr) == 0) {
            return fail(Status::Environment,
                        fmt::format("{}: cannot be read (error {})", path, GetLastError()));
        }
        bytes.resize(done + got);
        if (got == 0) return bytes;
    }
}

// Who owns a file and who may write it is an access control list here; until that is read, extensions
// cannot be loaded on Windows.
Result<std::vector<std::byte>> read_trusted_file(const std::string& path, std::size_t) {
    return fail(Status::NotSupported, path + ": files that are to run in this process: not on Windows yet");
}

}  // namespace ebpf::platform
