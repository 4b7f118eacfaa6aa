// SPDX-License-Identifier: MIT
#include "platform/linux/sealed_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ebpf::platform {
namespace {

constexpr unsigned kExecutable = 0x10;  // MFD_EXEC; kernels before 6.3 do not know it

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<Descriptor> make_sealed_memory(const char* name, std::span<const std::byte> bytes) {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int number = memfd_create(name, kFlags | kExecutable);
    if (number < 0 && errno == EINVAL) number = memfd_create(name, kFlags);
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

}  // namespace ebpf::platform
