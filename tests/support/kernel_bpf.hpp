// SPDX-License-Identifier: MIT
// The running Linux kernel's bpf() call: maps, loading programs, test runs. For tests and measurements; needs
// CAP_BPF and CAP_NET_ADMIN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::support {

/// A file descriptor that is closed with its owner.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(long fd) : fd_(static_cast<int>(fd)) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor();

    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] std::uint32_t number() const { return static_cast<std::uint32_t>(fd_); }

  private:
    int fd_ = -1;
};

/// Functions that return a FileDescriptor or bool leave it closed or return false on failure, with errno set.
FileDescriptor create_kernel_map(const spec::MapShape& shape);
bool update_kernel_map(const FileDescriptor& map, const void* key, const void* value);
bool look_up_kernel_map(const FileDescriptor& map, const void* key, void* value);
bool erase_kernel_element(const FileDescriptor& map, const void* key);
/// The key after `key` (nullptr: the first); false also when there are no more.
bool next_kernel_key(const FileDescriptor& map, const void* key, void* next);
bool freeze_kernel_map(const FileDescriptor& map);

/// A program as the kernel gets it.
struct KernelProgram {
    spec::ProgramType type = spec::ProgramType::Xdp;  ///< one of Linux's
    std::uint32_t attach_type = 0;
    bool is_gpl = true;
    std::span<const std::byte> bytecode;
    std::span<const int> maps;  ///< descriptors, by the index that the bytecode uses (verifier::Request)
};

/// Loads a program. `log` (may be nullptr) gets the verifier's log if the kernel refuses.
FileDescriptor load_kernel_program(const KernelProgram& program, std::string* log);

/// Result of a test run, and how long a run took on average.
struct KernelTestRun {
    std::uint32_t result = 0;
    std::uint32_t mean_ns = 0;
};

/// Runs a program `repeat` times on one copy of `packet`, which gets the copy as it is afterwards.
std::optional<KernelTestRun> test_run_in_kernel(const FileDescriptor& program, std::span<std::byte> packet,
                                                std::uint32_t repeat);

/// Bytes of machine code that the kernel's JIT made; 0 if it made none or does not tell.
std::uint32_t kernel_code_bytes(const FileDescriptor& program);

}  // namespace ebpf::support
