/* SPDX-License-Identifier: MIT */
/* The Internet checksum over a full frame, its length checked once. */
#include "bench.h"

#define PAYLOAD 1480

SEC("xdp")
int checksum(struct xdp_md* ctx) {
    const struct ethhdr* eth = bench_data(ctx);
    const __u16* words = (const __u16*)(eth + 1);
    if ((const void*)words + PAYLOAD > bench_end(ctx)) return 0;
    __u64 sum = 0;
    for (__u32 i = 0; i < PAYLOAD / 2; ++i) sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)~sum;
}

BENCH_INPUT(checksum, "Internet checksum over 1480 bytes") {
    bench_random_packet(input, 14 + PAYLOAD);
}
