/* SPDX-License-Identifier: MIT */
/* 64-bit division and remainder by numbers that the compiler does not know. */
#include "bench.h"

SEC("xdp")
int divide(struct xdp_md* ctx) {
    const __u64* numbers = bench_data(ctx);
    if ((const void*)(numbers + 8) > bench_end(ctx)) return 0;
    __u64 sum = numbers[0];
    for (__u32 i = 0; i < 64; ++i) {
        const __u64 divisor = (numbers[i % 8] >> 24) + i;
        sum += numbers[(i + 3) % 8] / divisor + sum % (divisor | 1);
    }
    return (int)(sum ^ sum >> 32);
}

BENCH_INPUT(divide, "64 divisions and 64 remainders, 64 bits wide") {
    bench_random_packet(input, 64);
}
