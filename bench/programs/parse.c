/* SPDX-License-Identifier: MIT */
/* Finds out whether a frame is an empty UDP datagram to the DNS port: samples/droppacket.c without its map.
 * */
#include "bench.h"

#define DNS_PORT 53
#define FRAGMENT_OFFSET 0x1fff

SEC("xdp")
int parse(struct xdp_md* ctx) {
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
    if (udp->dest != bpf_htons(DNS_PORT)) return XDP_PASS;
    return bpf_ntohs(udp->len) <= sizeof(*udp) ? XDP_DROP : XDP_PASS;
}

BENCH_INPUT(parse, "Ethernet, IPv4, UDP: is it an empty DNS datagram") {
    bench_ip_packet(input, 14 + 20 + 8, IPPROTO_UDP, DNS_PORT);
}
