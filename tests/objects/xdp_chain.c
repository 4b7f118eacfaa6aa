// SPDX-License-Identifier: MIT
// XDP programs that run one after the other at an interface. Each counts, in element 0 of a map of its own,
// the frames that it sees.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <xdp/xdp_helpers.h>

#define COUNTER(name)                     \
    struct {                              \
        __uint(type, BPF_MAP_TYPE_ARRAY); \
        __uint(max_entries, 1);           \
        __type(key, __u32);               \
        __type(value, __u64);             \
    } name SEC(".maps")

COUNTER(first_seen);
COUNTER(rest_seen);
COUNTER(other_seen);
COUNTER(last_seen);

static __always_inline void count(void* map) {
    const __u32 only = 0;
    __u64* value = bpf_map_lookup_elem(map, &only);
    if (value) __sync_fetch_and_add(value, 1);
}

static __always_inline int udp_port(struct xdp_md* ctx) {
    void* data = (void*)(long)ctx->data;
    void* end = (void*)(long)ctx->data_end;
    struct ethhdr* ethernet = data;
    struct iphdr* ip = (void*)(ethernet + 1);
    struct udphdr* udp = (void*)(ip + 1);
    if ((void*)(udp + 1) > end) return -1;
    if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return -1;
    return bpf_ntohs(udp->dest);
}

struct {
    __uint(priority, 10);
} XDP_RUN_CONFIG(drop_5001);

// Drops what goes to UDP port 5001.
SEC("xdp")
int drop_5001(struct xdp_md* ctx) {
    count(&first_seen);
    return udp_port(ctx) == 5001 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int count_rest(struct xdp_md* ctx) {
    (void)ctx;
    count(&rest_seen);
    return XDP_PASS;
}

// Takes the place of count_rest.
SEC("xdp")
int count_other(struct xdp_md* ctx) {
    (void)ctx;
    count(&other_seen);
    return XDP_PASS;
}

struct {
    __uint(priority, 90);
    __uint(XDP_PASS, 0);
    __uint(XDP_DROP, 1);
    __uint(XDP_REDIRECT, 1);
} XDP_RUN_CONFIG(count_last);

SEC("xdp")
int count_last(struct xdp_md* ctx) {
    (void)ctx;
    count(&last_seen);
    return XDP_PASS;
}

char _license[] SEC("license") = "MIT";
