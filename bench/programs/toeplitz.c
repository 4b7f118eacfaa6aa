/* SPDX-License-Identifier: MIT */
/* The Toeplitz hash that network cards spread flows with. Source: Microsoft, Receive Side Scaling. */
#include "bench.h"

SEC("xdp")
int toeplitz(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    const struct iphdr* ip = (const void*)(eth + 1);
    const struct udphdr* udp = (const void*)(ip + 1);
    if ((const void*)(udp + 1) > end) return 0;
    const __u32 input[3] = {bpf_ntohl(ip->saddr), bpf_ntohl(ip->daddr),
                            (__u32)bpf_ntohs(udp->source) << 16 | bpf_ntohs(udp->dest)};
    const __u32 key[4] = {0x6d5a56da, 0x255b0ec2, 0x4167253d, 0x43a38fb0};
    __u32 hash = 0;
    for (__u32 word = 0; word < 3; ++word) {
        for (__u32 bit = 0; bit < 32; ++bit) {
            const __u64 window = (__u64)key[word] << 32 | key[word + 1];
            if (input[word] & 0x80000000U >> bit) hash ^= (__u32)(window >> (32 - bit));
        }
    }
    return (int)hash;
}

BENCH_INPUT(toeplitz, "RSS hash of addresses and ports, bit by bit") {
    bench_ip_packet(input, 64, IPPROTO_UDP, 4242);
}
