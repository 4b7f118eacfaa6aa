/* SPDX-License-Identifier: MIT */
/* What BPF programs need of the eBPF interface: contexts, verdicts, map types, flags. Numbers and layouts are
 * Linux's. Only what this platform supports is named; fields of a context that it does not provide are
 * refused on verification. */
#pragma once

#include <linux/types.h>

enum bpf_map_type {
    BPF_MAP_TYPE_UNSPEC = 0,
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PROG_ARRAY = 3,
    BPF_MAP_TYPE_RINGBUF = 27,
};

/* Flags of map creation (map_flags). */
enum {
    BPF_F_NO_PREALLOC = 1U << 0,
    BPF_F_RDONLY_PROG = 1U << 7,
    BPF_F_WRONLY_PROG = 1U << 8,
    BPF_F_MMAPABLE = 1U << 10,
};

/* Flags of bpf_map_update_elem(). */
enum {
    BPF_ANY = 0,
    BPF_NOEXIST = 1,
    BPF_EXIST = 2,
};

/* Flags of bpf_ringbuf_output(), bpf_ringbuf_submit() and bpf_ringbuf_discard(). */
enum {
    BPF_RB_NO_WAKEUP = 1ULL << 0,
    BPF_RB_FORCE_WAKEUP = 1ULL << 1,
};

/* Questions to bpf_ringbuf_query(). */
enum {
    BPF_RB_AVAIL_DATA = 0,
    BPF_RB_RING_SIZE = 1,
    BPF_RB_CONS_POS = 2,
    BPF_RB_PROD_POS = 3,
};

/* Verdicts of XDP programs. */
enum xdp_action {
    XDP_ABORTED = 0,
    XDP_DROP = 1,
    XDP_PASS = 2,
    XDP_TX = 3,
    XDP_REDIRECT = 4,
};

#define XDP_PACKET_HEADROOM 256

/* Context of XDP programs. data and data_end are packet pointers, read as (void *)(long)ctx->data. */
struct xdp_md {
    __u32 data;
    __u32 data_end;
    __u32 data_meta;
    __u32 ingress_ifindex;
    __u32 rx_queue_index;
    __u32 egress_ifindex;
};

/* Context of programs that see addresses: cgroup/bind4, connect4, sendmsg4, getsockname4, getpeername4,
 * listen4 and the same with 6. user_ip4 is there for IPv4, user_ip6 for IPv6; these and user_port, in network
 * byte order, may be written (not at listen). msg_src_ip4 and msg_src_ip6 are there for sendmsg. */
struct bpf_sock_addr {
    __u32 user_family;
    __u32 user_ip4;
    __u32 user_ip6[4];
    __u32 user_port;
    __u32 family;
    __u32 type;
    __u32 protocol;
    __u32 msg_src_ip4;
    __u32 msg_src_ip6[4];
    __u64 sk __attribute__((aligned(8)));
};

/* Context of programs at the making of sockets: cgroup/sock_create. All that is there may only be read. */
struct bpf_sock {
    __u32 bound_dev_if;
    __u32 family;
    __u32 type;
    __u32 protocol;
    __u32 mark;
    __u32 priority;
    __u32 src_ip4;
    __u32 src_ip6[4];
    __u32 src_port;
    __be16 dst_port;
    __u16 : 16;
    __u32 dst_ip4;
    __u32 dst_ip6[4];
    __u32 state;
    __s32 rx_queue_mapping;
};

/* Context of socket filters. */
struct __sk_buff {
    __u32 len;
    __u32 pkt_type;
    __u32 mark;
    __u32 queue_mapping;
    __u32 protocol;
    __u32 vlan_present;
    __u32 vlan_tci;
    __u32 vlan_proto;
    __u32 priority;
    __u32 ingress_ifindex;
    __u32 ifindex;
    __u32 tc_index;
    __u32 cb[5];
    __u32 hash;
    __u32 tc_classid;
    __u32 data;
    __u32 data_end;
    __u32 napi_id;
    __u32 family;
    __u32 remote_ip4;
    __u32 local_ip4;
    __u32 remote_ip6[4];
    __u32 local_ip6[4];
    __u32 remote_port;
    __u32 local_port;
    __u32 data_meta;
    __u64 flow_keys __attribute__((aligned(8)));
    __u64 tstamp;
    __u32 wire_len;
    __u32 gso_segs;
    __u64 sk __attribute__((aligned(8)));
    __u32 gso_size;
    __u8 tstamp_type;
    __u32 : 24;
    __u64 hwtstamp;
};
