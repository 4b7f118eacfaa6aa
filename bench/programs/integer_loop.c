/* SPDX-License-Identifier: MIT */
/* A chain of dependent integer operations. */
#include "bench.h"

SEC("xdp")
int integer_loop(struct xdp_md* ctx) {
    const __u64* seed = bench_data(ctx);
    if ((const void*)(seed + 1) > bench_end(ctx)) return 0;
    __u64 x = *seed;
    for (__u32 i = 0; i < 1024; ++i) {
        x = x * 3 + i;
        x ^= x >> 7;
    }
    return (int)(x ^ x >> 32);
}

BENCH_INPUT(integer_loop, "1024 rounds of multiply, add, shift, xor") {
    bench_random_packet(input, 64);
}
