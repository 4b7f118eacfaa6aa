/* SPDX-License-Identifier: MIT */
/* Finds the flow of a packet by its addresses and ports, and counts its packets and bytes. */
#include "bench.h"

struct flow_key {
    __be32 source;
    __be32 destination;
    __be16 source_port;
    __be16 destination_port;
    __u32 protocol;
};
struct flow {
    __u64 packets;
    __u64 bytes;
};

BENCH_HASH(flows, struct flow_key, struct flow, 4096);

SEC("xdp")
int hash_tuple(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    const struct iphdr* ip = (const void*)(eth + 1);
    const struct udphdr* udp = (const void*)(ip + 1);
    if ((const void*)(udp + 1) > end) return 0;
    if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5) return 0;
    const struct flow_key key = {ip->saddr, ip->daddr, udp->source, udp->dest, ip->protocol};
    struct flow* flow = bench_lookup(flows, &key);
    if (!flow) return 1;
    flow->packets += 1;
    flow->bytes += bpf_ntohs(ip->tot_len);
    return 2;
}

BENCH_INPUT(hash_tuple, "flow table, key of 16 bytes, 2048 elements") {
    bench_ip_packet(input, 128, IPPROTO_UDP, 4242);
    for (__u32 i = 0; i < 2048; ++i) {
        const struct flow_key key = {bpf_htonl(0x0a000001 + i % 16), bpf_htonl(0xc0a80002), bpf_htons(1234),
                                     bpf_htons((__u16)(4242 + i / 16)), IPPROTO_UDP};
        const struct flow flow = {i, 0};
        input->put(input, "flows", &key, &flow);
    }
}
