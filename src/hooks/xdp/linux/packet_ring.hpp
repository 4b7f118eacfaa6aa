// SPDX-License-Identifier: MIT
// The receive side: a TPACKET_V3 ring that sees every frame arriving at an interface.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/xdp/linux/failure.hpp"
#include "hooks/xdp/linux/file_descriptor.hpp"
#include "hooks/xdp/linux/frame.hpp"

struct tpacket_block_desc;

namespace ebpf::hooks::xdp {

/// An AF_PACKET socket with its ring of blocks. Frames that carry a mark of marks.hpp and outgoing frames
/// stay out. Each frame has kHeadroomBytes and room for a VLAN tag before it. Threads: one, except
/// take_drops().
class PacketRing {
  public:
    /// Opens the ring and starts to receive. Errors: those of the socket calls, named.
    static Outcome<PacketRing> open(std::uint32_t ifindex);

    PacketRing(PacketRing&& other) noexcept;
    PacketRing& operator=(PacketRing&&) = delete;
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;
    ~PacketRing();

    [[nodiscard]] int socket() const { return socket_.get(); }

    /// Moves into the next block that the kernel has filled. Returns false if there is none yet.
    bool open_block();
    /// Gives the next frame of the open block. Returns false at its end. The frame lives until close_block().
    bool next_frame(Frame& frame);
    /// Gives the block back to the kernel.
    void close_block();

    /// Returns how many frames found no room since the last call. Any thread.
    [[nodiscard]] std::uint32_t take_drops() const;

  private:
    explicit PacketRing(FileDescriptor socket) : socket_(std::move(socket)) {}
    Outcome<void> configure();
    Outcome<void> map();
    [[nodiscard]] tpacket_block_desc* block() const;

    FileDescriptor socket_;
    std::byte* memory_ = nullptr;
    std::uint32_t block_ = 0;      ///< index of the block that is open or next
    std::uint32_t remaining_ = 0;  ///< frames of the open block not yet given out
    std::byte* next_ = nullptr;    ///< header of the next frame
};

}  // namespace ebpf::hooks::xdp
