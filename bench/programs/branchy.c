/* SPDX-License-Identifier: MIT */
/* Decisions that no predictor can learn: they depend on a random number that goes on from run to run. */
#include "bench.h"

BENCH_ARRAY(generator, __u64, 1);

SEC("xdp")
int branchy(struct xdp_md* ctx) {
    (void)ctx;
    const __u32 first = 0;
    __u64* state = bench_lookup(generator, &first);
    if (!state) return 0;
    __u64 random = *state;
    __u32 low = 0;
    __u32 high = 1000;
    __u32 hits = 0;
    for (__u32 i = 0; i < 64; ++i) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        const __u32 number = (__u32)(random >> 33) % 1024;
        if (number < low) {
            hits += 3;
            low -= 1;
        } else if (number > high) {
            hits ^= number;
            high += 1;
        } else if (number & 1) {
            low = number / 2;
        } else {
            high = number / 2 + 512;
        }
    }
    *state = random;
    return (int)(hits + low + high);
}

BENCH_INPUT(branchy, "64 rounds of unpredictable decisions") {
    const __u32 first = 0;
    const __u64 seed = 12345;
    bench_random_packet(input, 64);
    input->put(input, "generator", &first, &seed);
}
