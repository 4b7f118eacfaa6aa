// SPDX-License-Identifier: MIT
// TPACKET_V3 with PACKET_VNET_HDR. Source: packet(7); linux Documentation/networking/packet_mmap.rst.
#include "hooks/xdp/linux/packet_ring.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "hooks/xdp/linux/marks.hpp"

namespace ebpf::hooks::xdp {
namespace {

/// A block must hold a superframe of 64 KiB; with 64 blocks the ring covers some 60 ms of the retire time
/// below.
constexpr std::uint32_t kBlockBytes = 256 * 1024;
constexpr std::uint32_t kBlockCount = 64;
constexpr std::size_t kRingBytes = std::size_t{kBlockBytes} * kBlockCount;
constexpr std::uint32_t kFrameBytes = 2048;  // only a granule in version 3: frames lie packed
constexpr std::uint32_t kRetireMilliseconds = 1;
constexpr std::uint32_t kReserveBytes = kHeadroomBytes + 8;  // and a VLAN tag, rounded up

/// Behind the ring's frame header comes the frame's origin.
constexpr std::size_t kAddressOffset =
    (sizeof(tpacket3_hdr) + TPACKET_ALIGNMENT - 1) & ~(std::size_t{TPACKET_ALIGNMENT} - 1);

template <typename Value>
Outcome<void> set_option(const FileDescriptor& socket, int level, int option, const Value& value,
                         const char* name) {
    if (setsockopt(socket.get(), level, option, &value, sizeof(value)) == 0) return {};
    return system_failure(errno, name);
}

/// Classic BPF: frames of the hook itself are not for the hook.
Outcome<void> drop_own_frames(const FileDescriptor& socket) {
    const auto mark = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_MARK);
    sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, mark),
                          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~kMarkTypeMask),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMarkBase, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                          BPF_STMT(BPF_RET | BPF_K, 0x40000)};
    const sock_fprog program{.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return set_option(socket, SOL_SOCKET, SO_ATTACH_FILTER, program, "SO_ATTACH_FILTER");
}

}  // namespace

Outcome<void> PacketRing::configure() {
    const int version = TPACKET_V3;
    const int one = 1;
    if (auto done = drop_own_frames(socket_); !done) return done;
    if (auto done = set_option(socket_, SOL_PACKET, PACKET_VERSION, version, "PACKET_VERSION"); !done)
        return done;
    if (auto done = set_option(socket_, SOL_PACKET, PACKET_VNET_HDR, one, "PACKET_VNET_HDR"); !done)
        return done;
    if (auto done = set_option(socket_, SOL_PACKET, PACKET_RESERVE, kReserveBytes, "PACKET_RESERVE"); !done) {
        return done;
    }
    if (auto done = set_option(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, one, "PACKET_IGNORE_OUTGOING");
        !done) {
        return done;
    }
    tpacket_req3 ring{};
    ring.tp_block_size = kBlockBytes;
    ring.tp_block_nr = kBlockCount;
    ring.tp_frame_size = kFrameBytes;
    ring.tp_frame_nr = kBlockBytes / kFrameBytes * kBlockCount;
    ring.tp_retire_blk_tov = kRetireMilliseconds;
    return set_option(socket_, SOL_PACKET, PACKET_RX_RING, ring, "PACKET_RX_RING");
}

Outcome<void> PacketRing::map() {
    void* memory =
        mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket_.get(), 0);
    if (memory == MAP_FAILED) return system_failure(errno, "mmap of the packet ring");
    memory_ = static_cast<std::byte*>(memory);
    return {};
}

Outcome<PacketRing> PacketRing::open(std::uint32_t ifindex) {
    // Protocol 0: nothing is received before bind().
    FileDescriptor fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd.is_open()) return system_failure(errno, "packet socket");
    PacketRing ring(std::move(fd));
    if (auto done = ring.configure(); !done) return std::unexpected(std::move(done).error());
    if (auto done = ring.map(); !done) return std::unexpected(std::move(done).error());
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(ifindex);
    address.sll_protocol = htons(ETH_P_ALL);
    if (bind(ring.socket(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return system_failure(errno, "bind of the packet socket");
    }
    return ring;
}

PacketRing::PacketRing(PacketRing&& other) noexcept
    : socket_(std::move(other.socket_)),
      memory_(std::exchange(other.memory_, nullptr)),
      block_(other.block_),
      remaining_(other.remaining_),
      next_(other.next_) {}

PacketRing::~PacketRing() {
    if (memory_ != nullptr) munmap(memory_, kRingBytes);
}

tpacket_block_desc* PacketRing::block() const {
    return reinterpret_cast<tpacket_block_desc*>(memory_ + std::size_t{block_} * kBlockBytes);
}

bool PacketRing::open_block() {
    tpacket_hdr_v1& header = block()->hdr.bh1;
    if ((__atomic_load_n(&header.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return false;
    remaining_ = header.num_pkts;
    next_ = reinterpret_cast<std::byte*>(block()) + header.offset_to_first_pkt;
    return true;
}

bool PacketRing::next_frame(Frame& frame) {
    if (remaining_ == 0) return false;
    const auto* header = reinterpret_cast<const tpacket3_hdr*>(next_);
    sockaddr_ll origin;
    std::memcpy(&origin, next_ + kAddressOffset, sizeof(origin));
    std::byte* start = next_ + header->tp_mac;
    // Copied before a program runs: it lies where the program's headroom is.
    std::memcpy(&frame.offload, start - sizeof(OffloadHeader), sizeof(OffloadHeader));
    frame.data = reinterpret_cast<std::uint8_t*>(start);
    frame.length = header->tp_snaplen;
    frame.wire_length = header->tp_len;
    frame.stamp_ns = std::uint64_t{header->tp_sec} * 1'000'000'000 + header->tp_nsec;
    frame.packet_type = origin.sll_pkttype;
    frame.has_vlan = (header->tp_status & TP_STATUS_VLAN_VALID) != 0;
    frame.vlan_tci = static_cast<std::uint16_t>(header->hv1.tp_vlan_tci);
    frame.vlan_protocol = (header->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0
                              ? header->hv1.tp_vlan_tpid
                              : static_cast<std::uint16_t>(ETH_P_8021Q);
    next_ += header->tp_next_offset;
    --remaining_;
    return true;
}

void PacketRing::close_block() {
    __atomic_store_n(&block()->hdr.bh1.block_status, static_cast<std::uint32_t>(TP_STATUS_KERNEL),
                     __ATOMIC_RELEASE);
    block_ = (block_ + 1) % kBlockCount;
    remaining_ = 0;
}

std::uint32_t PacketRing::take_drops() const {
    tpacket_stats_v3 statistics{};
    socklen_t size = sizeof(statistics);
    if (getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size) != 0) return 0;
    return statistics.tp_drops;
}

}  // namespace ebpf::hooks::xdp
