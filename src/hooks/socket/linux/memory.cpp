// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace ebpf::hooks::socket {
namespace {

int read_from(int thread, const iovec* from, std::size_t places, std::span<std::byte> to) {
    if (to.empty()) return 0;
    const iovec ours{to.data(), to.size()};
    const ssize_t copied = process_vm_readv(thread, &ours, 1, from, places, 0);
    if (copied < 0) return -errno;
    return static_cast<std::size_t>(copied) == to.size() ? 0 : -EFAULT;
}

/// Whether the byte may be written. Puts there what is there: nobody's memory changes, whosoever it is.
int check_writable(int thread, std::uint64_t pointer) {
    std::byte byte{};
    const iovec ours{&byte, 1};
    const iovec theirs{reinterpret_cast<void*>(pointer), 1};
    if (process_vm_readv(thread, &ours, 1, &theirs, 1, 0) != 1) return -errno;
    return process_vm_writev(thread, &ours, 1, &theirs, 1, 0) == 1 ? 0 : -errno;
}

}  // namespace

int read_memory(int thread, std::uint64_t pointer, std::span<std::byte> to) {
    const iovec from{reinterpret_cast<void*>(pointer), to.size()};
    return read_from(thread, &from, 1, to);
}

int read_memory(int thread, std::span<const iovec> from, std::span<std::byte> to) {
    return read_from(thread, from.data(), from.size(), to);
}

CallerMemory::CallerMemory(int thread)
    : thread_(thread), file_(open(fmt::format("/proc/{}/mem", thread).c_str(), O_RDWR | O_CLOEXEC)) {}

// process_vm_writev() finds the memory by the thread id, which can be another one's by then. The file stays
// with the memory, but writes also where the caller itself may only read.
int CallerMemory::write(std::uint64_t pointer, std::span<const std::byte> bytes) const {
    if (bytes.empty()) return 0;
    if (!file_.is_open()) return -EPERM;
    for (const std::uint64_t end : {pointer, pointer + bytes.size() - 1}) {
        if (const int error = check_writable(thread_, end); error != 0) return error;
    }
    const ssize_t copied = pwrite(file_.number(), bytes.data(), bytes.size(), static_cast<off_t>(pointer));
    return copied == static_cast<ssize_t>(bytes.size()) ? 0 : -EFAULT;
}

}  // namespace ebpf::hooks::socket
