/* SPDX-License-Identifier: MIT */
/* Many calls of small functions that are not inlined. */
#include "bench.h"

static __noinline __u32 mix(__u32 a, __u32 b) {
    a ^= b << 5 | b >> 27;
    return a * 0x9e3779b1;
}

static __noinline __u32 clamp(__u32 value, __u32 least, __u32 most) {
    if (value < least) return least;
    return value > most ? most : value;
}

static __noinline __u32 score(__u32 a, __u32 b) {
    return mix(a, b) + clamp(mix(b, a) >> 16, 100, 50000);
}

SEC("xdp")
int calls(struct xdp_md* ctx) {
    const __u32* words = bench_data(ctx);
    if ((const void*)(words + 16) > bench_end(ctx)) return 0;
    __u32 sum = 0;
    for (__u32 i = 0; i < 32; ++i) sum = score(sum, words[i % 16]);
    return (int)sum;
}

BENCH_INPUT(calls, "128 calls of small subprograms") {
    bench_random_packet(input, 64);
}
