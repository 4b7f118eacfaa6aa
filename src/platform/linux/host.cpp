// SPDX-License-Identifier: MIT
// The host contract on Linux: hashes and files.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/try.hpp"
#include "platform/file.hpp"
#include "platform/hash.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::platform {
namespace {

Status status_of_errno(int number) {
    if (number == ENOENT || number == ENOTDIR) return Status::NotFound;
    if (number == EACCES || number == EPERM) return Status::AccessDenied;
    return Status::Environment;
}

struct OpenFile {
    Descriptor descriptor;
    struct stat about{};
};

Result<OpenFile> open_regular(const std::string& path) {
    OpenFile file{Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}};
    if (!file.descriptor.is_open())
        return fail(status_of_errno(errno), fmt::format("{}: {}", path, std::strerror(errno)));
    if (fstat(file.descriptor.number(), &file.about) != 0)
        return fail(Status::Environment, fmt::format("{}: {}", path, std::strerror(errno)));
    if (!S_ISREG(file.about.st_mode))
        return fail(Status::InvalidArgument, fmt::format("{}: not a regular file", path));
    return file;
}

Result<std::vector<std::byte>> read_all(const OpenFile& file, const std::string& path,
                                        std::size_t max_bytes) {
    std::vector<std::byte> bytes;
    constexpr std::size_t kChunk = 65536;
    while (true) {
        const std::size_t done = bytes.size();
        if (done > max_bytes) {
            return fail(Status::TooBig, fmt::format("{}: more than {} bytes", path, max_bytes));
        }
        bytes.resize(done + kChunk);
        const ssize_t got = read(file.descriptor.number(), bytes.data() + done, kChunk);
        if (got < 0 && errno != EINTR) {
            return fail(Status::Environment, fmt::format("{}: {}", path, std::strerror(errno)));
        }
        bytes.resize(done + static_cast<std::size_t>(got < 0 ? 0 : got));
        if (got == 0) return bytes;
    }
}

Result<void> check_trusted(const struct stat& about, const std::string& path) {
    if (about.st_uid != 0 && about.st_uid != geteuid()) {
        return fail(
            Status::NoPermission,
            fmt::format("{}: it belongs to user {}, and only files of root and of user {} may run here", path,
                        about.st_uid, geteuid()));
    }
    if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(Status::NoPermission, fmt::format("{}: others than its owner may write it (mode {:04o})",
                                                      path, about.st_mode & 07777U));
    }
    return {};
}

}  // namespace

Sha256 sha256(std::span<const std::byte> bytes) {
    Sha256 digest{};
    unsigned length = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                   EVP_sha256(), nullptr) != 1 ||
        length != digest.size()) {
        std::abort();
    }
    return digest;
}

Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t max_bytes) {
    EBPF_TRY(const OpenFile file, open_regular(path));
    return read_all(file, path, max_bytes);
}

Result<std::vector<std::byte>> read_trusted_file(const std::string& path, std::size_t max_bytes) {
    if (!path.starts_with('/'))
        return fail(Status::InvalidArgument, fmt::format("{}: the path must be absolute", path));
    EBPF_TRY(const OpenFile file, open_regular(path));
    EBPF_TRY_VOID(check_trusted(file.about, path));
    return read_all(file, path, max_bytes);
}

}  // namespace ebpf::platform
