// SPDX-License-Identifier: MIT
// The numbers and layouts of the tables against the kernel's own header: facts that must agree.
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstddef>
#include <map>
#include <string>

#include "spec/helpers.hpp"
#include "spec/instructions.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::spec {
namespace {

TEST(LinuxUapi, HelperIds) {
    const std::map<std::string, std::uint32_t> linux_ids = {
#define EBPF_ENTRY(name) {#name, BPF_FUNC_##name}
        __BPF_FUNC_MAPPER(EBPF_ENTRY)
#undef EBPF_ENTRY
    };
    for (const HelperSpec& helper : helpers()) {
        ASSERT_TRUE(linux_ids.contains(helper.name)) << helper.name;
        EXPECT_EQ(helper.id, linux_ids.at(helper.name)) << helper.name;
    }
}

TEST(LinuxUapi, MapTypesAndFlags) {
    EXPECT_EQ(static_cast<unsigned>(MapType::Hash), unsigned{BPF_MAP_TYPE_HASH});
    EXPECT_EQ(static_cast<unsigned>(MapType::Array), unsigned{BPF_MAP_TYPE_ARRAY});
    EXPECT_EQ(static_cast<unsigned>(MapType::ProgArray), unsigned{BPF_MAP_TYPE_PROG_ARRAY});
    EXPECT_EQ(static_cast<unsigned>(MapType::RingBuffer), unsigned{BPF_MAP_TYPE_RINGBUF});
    EXPECT_EQ(kRingNoWakeup, unsigned{BPF_RB_NO_WAKEUP});
    EXPECT_EQ(kRingForceWakeup, unsigned{BPF_RB_FORCE_WAKEUP});
    EXPECT_EQ(kRingAvailableData, unsigned{BPF_RB_AVAIL_DATA});
    EXPECT_EQ(kRingSize, unsigned{BPF_RB_RING_SIZE});
    EXPECT_EQ(kRingConsumerPosition, unsigned{BPF_RB_CONS_POS});
    EXPECT_EQ(kRingProducerPosition, unsigned{BPF_RB_PROD_POS});
    EXPECT_EQ(kRecordBusy, static_cast<unsigned>(BPF_RINGBUF_BUSY_BIT));
    EXPECT_EQ(kRecordDiscarded, static_cast<unsigned>(BPF_RINGBUF_DISCARD_BIT));
    EXPECT_EQ(kRecordHeaderBytes, unsigned{BPF_RINGBUF_HDR_SZ});
    EXPECT_EQ(map_types().size(), 4U) << "a new map type needs its comparison here";
    EXPECT_EQ(kMapNoPrealloc, unsigned{BPF_F_NO_PREALLOC});
    EXPECT_EQ(kMapReadOnlyProgram, unsigned{BPF_F_RDONLY_PROG});
    EXPECT_EQ(kMapWriteOnlyProgram, unsigned{BPF_F_WRONLY_PROG});
    EXPECT_EQ(kMapMmapable, unsigned{BPF_F_MMAPABLE});
    EXPECT_EQ(kUpdateAny, unsigned{BPF_ANY});
    EXPECT_EQ(kUpdateNoExist, unsigned{BPF_NOEXIST});
    EXPECT_EQ(kUpdateExist, unsigned{BPF_EXIST});
}

TEST(LinuxUapi, ProgramTypesAndSections) {
    EXPECT_EQ(static_cast<unsigned>(ProgramType::SocketFilter), unsigned{BPF_PROG_TYPE_SOCKET_FILTER});
    EXPECT_EQ(static_cast<unsigned>(ProgramType::Xdp), unsigned{BPF_PROG_TYPE_XDP});
    EXPECT_EQ(static_cast<unsigned>(ProgramType::CgroupSockAddr), unsigned{BPF_PROG_TYPE_CGROUP_SOCK_ADDR});
    EXPECT_GE(static_cast<unsigned>(ProgramType::Memory), 0x1000000U);
    EXPECT_GE(static_cast<unsigned>(ProgramType::Bind), 0x1000000U);
    EXPECT_EQ(static_cast<unsigned>(ProgramType::CgroupSock), unsigned{BPF_PROG_TYPE_CGROUP_SOCK});
    EXPECT_EQ(program_types().size(), 6U) << "a new program type needs its comparison here";
    EXPECT_EQ(find_section("xdp")->attach_type, unsigned{BPF_XDP});
    EXPECT_EQ(find_section("cgroup/bind4")->attach_type, unsigned{BPF_CGROUP_INET4_BIND});
    EXPECT_EQ(find_section("cgroup/bind6")->attach_type, unsigned{BPF_CGROUP_INET6_BIND});
    EXPECT_EQ(find_section("cgroup/connect4")->attach_type, unsigned{BPF_CGROUP_INET4_CONNECT});
    EXPECT_EQ(find_section("cgroup/connect6")->attach_type, unsigned{BPF_CGROUP_INET6_CONNECT});
    EXPECT_EQ(find_section("cgroup/sendmsg4")->attach_type, unsigned{BPF_CGROUP_UDP4_SENDMSG});
    EXPECT_EQ(find_section("cgroup/sendmsg6")->attach_type, unsigned{BPF_CGROUP_UDP6_SENDMSG});
    EXPECT_EQ(find_section("cgroup/getpeername4")->attach_type, unsigned{BPF_CGROUP_INET4_GETPEERNAME});
    EXPECT_EQ(find_section("cgroup/getpeername6")->attach_type, unsigned{BPF_CGROUP_INET6_GETPEERNAME});
    EXPECT_EQ(find_section("cgroup/getsockname4")->attach_type, unsigned{BPF_CGROUP_INET4_GETSOCKNAME});
    EXPECT_EQ(find_section("cgroup/getsockname6")->attach_type, unsigned{BPF_CGROUP_INET6_GETSOCKNAME});
    EXPECT_EQ(find_section("cgroup/sock_create")->attach_type, unsigned{BPF_CGROUP_INET_SOCK_CREATE});
    EXPECT_EQ(find_section("cgroup/sock")->type, ProgramType::CgroupSock);
}

TEST(LinuxUapi, AttachTypes) {
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet4Bind), unsigned{BPF_CGROUP_INET4_BIND});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet6Bind), unsigned{BPF_CGROUP_INET6_BIND});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet4Connect), unsigned{BPF_CGROUP_INET4_CONNECT});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet6Connect), unsigned{BPF_CGROUP_INET6_CONNECT});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Udp4Sendmsg), unsigned{BPF_CGROUP_UDP4_SENDMSG});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Udp6Sendmsg), unsigned{BPF_CGROUP_UDP6_SENDMSG});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet4Getpeername), unsigned{BPF_CGROUP_INET4_GETPEERNAME});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet6Getpeername), unsigned{BPF_CGROUP_INET6_GETPEERNAME});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet4Getsockname), unsigned{BPF_CGROUP_INET4_GETSOCKNAME});
    EXPECT_EQ(static_cast<unsigned>(AttachType::Inet6Getsockname), unsigned{BPF_CGROUP_INET6_GETSOCKNAME});
    EXPECT_EQ(static_cast<unsigned>(AttachType::InetSockCreate), unsigned{BPF_CGROUP_INET_SOCK_CREATE});
    for (const AttachType own : {AttachType::Bind, AttachType::Inet4Listen, AttachType::Inet6Listen,
                                 AttachType::Inet4RecvAccept, AttachType::Inet6RecvAccept})
        EXPECT_GE(static_cast<unsigned>(own), 0x1000000U);
    EXPECT_EQ(attach_types().size(), 16U) << "a new attach type needs its comparison here";
}

TEST(LinuxUapi, Contexts) {
    EXPECT_EQ(context_spec(ContextId::XdpMd).bytes, sizeof(xdp_md));
    EXPECT_EQ(context_spec(ContextId::SkBuff).bytes, sizeof(__sk_buff));
    EXPECT_EQ(context_spec(ContextId::SockAddr).bytes, sizeof(bpf_sock_addr));
    EXPECT_EQ(context_spec(ContextId::Sock).bytes, sizeof(bpf_sock));
    struct Place {
        std::size_t offset;
        std::size_t size;
    };
#define EBPF_PLACE(structure, field)                             \
    {                                                            \
        #field, {                                                \
            offsetof(structure, field), sizeof(structure::field) \
        }                                                        \
    }
    const std::map<std::string, Place> xdp = {
        EBPF_PLACE(xdp_md, data),           EBPF_PLACE(xdp_md, data_end),
        EBPF_PLACE(xdp_md, data_meta),      EBPF_PLACE(xdp_md, ingress_ifindex),
        EBPF_PLACE(xdp_md, rx_queue_index),
    };
    std::map<std::string, Place> skb = {
        EBPF_PLACE(__sk_buff, len),      EBPF_PLACE(__sk_buff, pkt_type),
        EBPF_PLACE(__sk_buff, mark),     EBPF_PLACE(__sk_buff, queue_mapping),
        EBPF_PLACE(__sk_buff, protocol), EBPF_PLACE(__sk_buff, vlan_present),
        EBPF_PLACE(__sk_buff, vlan_tci), EBPF_PLACE(__sk_buff, vlan_proto),
        EBPF_PLACE(__sk_buff, priority), EBPF_PLACE(__sk_buff, ifindex),
        EBPF_PLACE(__sk_buff, hash),     EBPF_PLACE(__sk_buff, ingress_ifindex),
    };
    std::map<std::string, Place> sock_addr = {
        EBPF_PLACE(bpf_sock_addr, user_family), EBPF_PLACE(bpf_sock_addr, user_ip4),
        EBPF_PLACE(bpf_sock_addr, user_port),   EBPF_PLACE(bpf_sock_addr, family),
        EBPF_PLACE(bpf_sock_addr, type),        EBPF_PLACE(bpf_sock_addr, protocol),
        EBPF_PLACE(bpf_sock_addr, msg_src_ip4),
    };
    const std::map<std::string, Place> sock = {
        EBPF_PLACE(bpf_sock, bound_dev_if), EBPF_PLACE(bpf_sock, family), EBPF_PLACE(bpf_sock, type),
        EBPF_PLACE(bpf_sock, protocol),     EBPF_PLACE(bpf_sock, mark),   EBPF_PLACE(bpf_sock, priority),
    };
#undef EBPF_PLACE
    for (std::size_t i = 0; i < 5; ++i) {
        skb["cb" + std::to_string(i)] = {offsetof(__sk_buff, cb) + i * 4, 4};
    }
    for (std::size_t i = 0; i < 4; ++i) {
        sock_addr["user_ip6_" + std::to_string(i)] = {offsetof(bpf_sock_addr, user_ip6) + i * 4, 4};
        sock_addr["msg_src_ip6_" + std::to_string(i)] = {offsetof(bpf_sock_addr, msg_src_ip6) + i * 4, 4};
    }
    sock_addr["msg_src_ip6_12"] = {offsetof(bpf_sock_addr, msg_src_ip6) + 4, 8};
    sock_addr["user_ip6_01"] = {offsetof(bpf_sock_addr, user_ip6), 8};
    sock_addr["user_ip6_23"] = {offsetof(bpf_sock_addr, user_ip6) + 8, 8};
    const std::map<ContextId, std::map<std::string, Place>> all = {{ContextId::XdpMd, xdp},
                                                                   {ContextId::SkBuff, skb},
                                                                   {ContextId::Sock, sock},
                                                                   {ContextId::SockAddr, sock_addr}};
    for (const ContextField& field : context_fields()) {
        if (field.context == ContextId::BindMd) continue;  // Linux has no such context
        const auto& places = all.at(field.context);
        ASSERT_TRUE(places.contains(field.name)) << field.name;
        EXPECT_EQ(field.offset, places.at(field.name).offset) << field.name;
        EXPECT_EQ(field.size, places.at(field.name).size) << field.name;
    }
}

TEST(LinuxUapi, PseudoSources) {
    EXPECT_EQ(static_cast<int>(WideKind::MapFd), BPF_PSEUDO_MAP_FD);
    EXPECT_EQ(static_cast<int>(WideKind::MapFdValue), BPF_PSEUDO_MAP_VALUE);
    EXPECT_EQ(static_cast<int>(WideKind::VariableAddress), BPF_PSEUDO_BTF_ID);
    EXPECT_EQ(static_cast<int>(WideKind::CodeAddress), BPF_PSEUDO_FUNC);
    EXPECT_EQ(static_cast<int>(WideKind::MapIndex), BPF_PSEUDO_MAP_IDX);
    EXPECT_EQ(static_cast<int>(WideKind::MapIndexValue), BPF_PSEUDO_MAP_IDX_VALUE);
}

}  // namespace
}  // namespace ebpf::spec
