/* SPDX-License-Identifier: MIT */
/* Counts in an array map with a plain addition. */
#include "bench.h"

BENCH_ARRAY(counters, __u64, 256);

SEC("xdp")
int array_plain(struct xdp_md* ctx) {
    const __u8* byte = bench_data(ctx);
    if ((const void*)(byte + 1) > bench_end(ctx)) return 0;
    const __u32 key = *byte;
    __u64* counter = bench_lookup(counters, &key);
    if (!counter) return 0;
    *counter += 1;
    return XDP_PASS;
}

BENCH_INPUT(array_plain, "one array lookup and an addition") {
    bench_random_packet(input, 64);
}
