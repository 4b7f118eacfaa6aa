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

#include "platform/file.hpp"
#include "platform/hash.hpp"

namespace ebpf::platform {
namespace {

Status status_of_errno(int number) {
    if (number == ENOENT || number == ENOTDIR) return Status::NotFound;
    if (number == EACCES || number == EPERM) return Status::AccessDenied;
    return Status::Environment;
}

/// Closes a descriptor at the end of a scope.
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

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
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.number() < 0)
        return fail(status_of_errno(errno), fmt::format("{}: {}", path, std::strerror(errno)));
    struct stat about{};
    if (fstat(file.number(), &about) != 0)
        return fail(Status::Environment, fmt::format("{}: {}", path, std::strerror(errno)));
    if (!S_ISREG(about.st_mode))
        return fail(Status::InvalidArgument, fmt::format("{}: not a regular file", path));
    std::vector<std::byte> bytes;
    constexpr std::size_t kChunk = 65536;
    while (true) {
        const std::size_t done = bytes.size();
        if (done > max_bytes) {
            return fail(Status::TooBig, fmt::format("{}: more than {} bytes", path, max_bytes));
        }
        bytes.resize(done + kChunk);
        const ssize_t got = read(file.number(), bytes.data() + done, kChunk);
        if (got < 0 && errno != EINTR) {
            return fail(Status::Environment, fmt::format("{}: {}", path, std::strerror(errno)));
        }
        bytes.resize(done + static_cast<std::size_t>(got < 0 ? 0 : got));
        if (got == 0) return bytes;
    }
}

}  // namespace ebpf::platform
