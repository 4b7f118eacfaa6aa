/* SPDX-License-Identifier: MIT */
/* A Bloom filter of 64 Ki bits in an array map: asks for a number, then puts it in. */
#include "bench.h"
#include "jenkins.h"

#define WORDS 1024
#define PROBES 4

BENCH_ARRAY(filter, __u64, WORDS);
BENCH_ARRAY(generator, __u64, 1);

SEC("xdp")
int bloom(struct xdp_md* ctx) {
    (void)ctx;
    const __u32 first = 0;
    __u64* number = bench_lookup(generator, &first);
    if (!number) return 0;
    *number = *number * 6364136223846793005ULL + 1442695040888963407ULL;
    /* A number of 2048, so that it was often seen before. */
    const __u32 item = (__u32)(*number >> 53);
    const __u32 a = jenkins_hash(&item, 1, 1);
    const __u32 b = jenkins_hash(&item, 1, 2) | 1;
    __u32 seen = 1;
    for (__u32 i = 0; i < PROBES; ++i) {
        const __u32 bit = (a + i * b) % (WORDS * 64);
        const __u32 word = bit / 64;
        __u64* bits = bench_lookup(filter, &word);
        if (!bits) return 0;
        const __u64 mask = 1ULL << bit % 64;
        seen &= (*bits & mask) != 0;
        *bits |= mask;
    }
    return (int)(item << 1 | seen);
}

BENCH_INPUT(bloom, "Bloom filter of 64 Ki bits, four probes") {
    const __u32 first = 0;
    const __u64 seed = 99;
    bench_random_packet(input, 64);
    input->put(input, "generator", &first, &seed);
}
