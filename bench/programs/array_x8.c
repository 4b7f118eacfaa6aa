/* SPDX-License-Identifier: MIT */
/* A histogram of packet bytes in an array map. */
#include "bench.h"

BENCH_ARRAY(histogram, __u64, 256);

SEC("xdp")
int array_x8(struct xdp_md* ctx) {
    const __u8* bytes = bench_data(ctx);
    if ((const void*)(bytes + 8) > bench_end(ctx)) return 0;
    __u64 sum = 0;
    for (__u32 i = 0; i < 8; ++i) {
        const __u32 key = bytes[i];
        __u64* counter = bench_lookup(histogram, &key);
        if (!counter) return 0;
        sum += ++*counter;
    }
    return (int)sum;
}

BENCH_INPUT(array_x8, "eight array lookups and additions") {
    bench_random_packet(input, 64);
}
