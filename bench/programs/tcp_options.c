/* SPDX-License-Identifier: MIT */
/* Walks the options of a TCP header and picks MSS, window scale, SACK and time stamps. */
#include "bench.h"

#define MOST_OPTIONS 10

SEC("xdp")
int tcp_options(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    const struct iphdr* ip = (const void*)(eth + 1);
    const struct tcphdr* tcp = (const void*)(ip + 1);
    if ((const void*)(tcp + 1) > end) return 0;
    if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_TCP) return 0;
    const __u8* option = (const void*)(tcp + 1);
    const __u8* last = (const void*)tcp + tcp->doff * 4;
    __u32 found = 0;
    for (__u32 i = 0; i < MOST_OPTIONS; ++i) {
        if ((const void*)(option + 1) > end || option >= last || option[0] == 0) break;
        if (option[0] == 1) {
            ++option;
            continue;
        }
        if ((const void*)(option + 2) > end) break;
        const __u8 bytes = option[1];
        if (bytes < 2) break;
        if (option[0] == 2 && (const void*)(option + 4) <= end) {
            found += (__u32)(option[2] << 8 | option[3]) << 4;
        } else if (option[0] == 3 && (const void*)(option + 3) <= end) {
            found ^= (__u32)option[2] << 24;
        } else if (option[0] == 4) {
            found |= 1;
        } else if (option[0] == 8 && (const void*)(option + 10) <= end) {
            found ^= (__u32)(option[2] << 24 | option[3] << 16 | option[4] << 8 | option[5]);
        }
        option += bytes;
    }
    return (int)found;
}

BENCH_INPUT(tcp_options, "walks the options of a TCP SYN") {
    static const __u8 options[20] = {2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};
    bench_ip_packet(input, 14 + 20 + 40, IPPROTO_TCP, 80);
    struct tcphdr* tcp = (struct tcphdr*)(input->packet + 14 + 20);
    tcp->doff = 10;
    __builtin_memcpy(tcp + 1, options, sizeof(options));
}
