// SPDX-License-Identifier: MIT
// The send side: hands passed frames to the inject path in batches.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "hooks/xdp/linux/failure.hpp"
#include "hooks/xdp/linux/file_descriptor.hpp"
#include "hooks/xdp/linux/frame.hpp"

namespace ebpf::hooks::xdp {

/// Collects up to kBatch frames and sends them with one system call. Threads: one at a time.
class Injector {
  public:
    static constexpr std::size_t kBatch = 64;

    /// Opens a packet socket on the inject path's device. Errors: those of the socket calls, named.
    static Outcome<Injector> open(std::uint32_t device);

    /// Adds a frame; its memory must stay until flush(). Requires: fewer than kBatch frames are waiting.
    void add(const Frame& frame);
    [[nodiscard]] bool is_full() const { return count_ == kBatch; }

    /// Sends what waits. Returns how many frames the kernel refused.
    std::size_t flush();

  private:
    struct Slot {
        OffloadHeader offload;
        iovec parts[2];
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint32_t))];
    };

    explicit Injector(FileDescriptor socket);

    FileDescriptor socket_;
    std::unique_ptr<std::array<mmsghdr, kBatch>> messages_;
    std::unique_ptr<std::array<Slot, kBatch>> slots_;
    std::size_t count_ = 0;
};

}  // namespace ebpf::hooks::xdp
