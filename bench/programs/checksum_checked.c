/* SPDX-License-Identifier: MIT */
/* The Internet checksum with the packet's end checked before each word. */
#include "bench.h"

#define MOST_WORDS 740

SEC("xdp")
int checksum_checked(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const __u16* word = bench_data(ctx) + sizeof(struct ethhdr);
    __u64 sum = 0;
    for (__u32 i = 0; i < MOST_WORDS; ++i, ++word) {
        if ((const void*)(word + 1) > end) break;
        sum += *word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)~sum;
}

BENCH_INPUT(checksum_checked, "the same with a bounds check for each word") {
    bench_random_packet(input, 14 + 2 * MOST_WORDS);
}
