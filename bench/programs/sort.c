/* SPDX-License-Identifier: MIT */
/* Sorts numbers of the packet on the stack, and returns a checksum of their order. */
#include "bench.h"

#define NUMBERS 16

SEC("xdp")
int sort(struct xdp_md* ctx) {
    const __u32* from = bench_data(ctx);
    if ((const void*)(from + NUMBERS) > bench_end(ctx)) return 0;
    __u32 numbers[NUMBERS];
    for (__u32 i = 0; i < NUMBERS; ++i) numbers[i] = from[i];
    for (__u32 last = NUMBERS - 1; last > 0; --last) {
        for (__u32 i = 0; i < last; ++i) {
            if (numbers[i] <= numbers[i + 1]) continue;
            const __u32 greater = numbers[i];
            numbers[i] = numbers[i + 1];
            numbers[i + 1] = greater;
        }
    }
    __u32 sum = 0;
    for (__u32 i = 0; i < NUMBERS; ++i) sum = sum * 31 + numbers[i];
    return (int)sum;
}

BENCH_INPUT(sort, "bubble sort of 16 numbers on the stack") {
    bench_random_packet(input, 128);
}
