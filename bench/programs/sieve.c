/* SPDX-License-Identifier: MIT */
/* The sieve of Eratosthenes on the stack. */
#include "bench.h"

#define NUMBERS 256

SEC("xdp")
int sieve(struct xdp_md* ctx) {
    const __u8* offset = bench_data(ctx);
    if ((const void*)(offset + 1) > bench_end(ctx)) return 0;
    __u8 is_composite[NUMBERS];
    __builtin_memset(is_composite, 0, sizeof(is_composite));
    __u32 primes = *offset;
    for (__u32 i = 2; i < NUMBERS; ++i) {
        if (is_composite[i]) continue;
        ++primes;
        for (__u32 multiple = i * i; multiple < NUMBERS; multiple += i) is_composite[multiple] = 1;
    }
    return (int)primes;
}

BENCH_INPUT(sieve, "primes below 256, table on the stack") {
    bench_random_packet(input, 64);
}
