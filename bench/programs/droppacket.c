/* SPDX-License-Identifier: MIT */
/* The same decision with a port from one array map and a counter in another. */
#include "bench.h"

#define FRAGMENT_OFFSET 0x1fff

struct settings {
    __u32 is_enabled;
    __u16 port;
    __u16 least_bytes;
};

BENCH_ARRAY(settings, struct settings, 1);
BENCH_ARRAY(dropped, __u64, 2);

static __always_inline int count_drop(__u32 reason) {
    __u64* counter = bench_lookup(dropped, &reason);
    if (counter) ++*counter;
    return XDP_DROP;
}

SEC("xdp")
int droppacket(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    if ((const void*)(eth + 1) > end) return XDP_PASS;
    if (eth->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
    const struct iphdr* ip = (const void*)(eth + 1);
    if ((const void*)(ip + 1) > end) return XDP_PASS;
    if (ip->protocol != IPPROTO_UDP) return XDP_PASS;
    if (ip->frag_off & bpf_htons(FRAGMENT_OFFSET)) return XDP_PASS;
    if (ip->ihl < 5) return XDP_PASS;
    const struct udphdr* udp = (const void*)ip + ip->ihl * 4;
    if ((const void*)(udp + 1) > end) return XDP_PASS;
    const __u32 first = 0;
    const struct settings* wanted = bench_lookup(settings, &first);
    if (!wanted || !wanted->is_enabled) return XDP_PASS;
    if (bpf_ntohs(udp->dest) != wanted->port) return XDP_PASS;
    if (bpf_ntohs(udp->len) >= wanted->least_bytes) return XDP_PASS;
    return count_drop(bpf_ntohs(udp->len) == sizeof(*udp) ? 0 : 1);
}

BENCH_INPUT(droppacket, "the same with its settings and counters in two array maps") {
    const __u32 first = 0;
    const struct settings wanted = {1, 53, 12};
    bench_ip_packet(input, 14 + 20 + 8, IPPROTO_UDP, 53);
    input->put(input, "settings", &first, &wanted);
}
