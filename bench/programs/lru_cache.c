/* SPDX-License-Identifier: MIT */
/* A set-associative cache in an array map: four ways, the one that was used longest ago goes. */
#include "bench.h"

#define SETS 256
#define WAYS 4

struct set {
    __u64 key[WAYS];
    __u64 used[WAYS];
    __u64 value[WAYS];
};

BENCH_ARRAY(cache, struct set, SETS);
BENCH_ARRAY(generator, __u64, 2);

SEC("xdp")
int lru_cache(struct xdp_md* ctx) {
    (void)ctx;
    const __u32 first = 0;
    const __u32 second = 1;
    __u64* random = bench_lookup(generator, &first);
    __u64* clock = bench_lookup(generator, &second);
    if (!random || !clock) return 0;
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    const __u64 now = ++*clock;
    /* 2048 keys for 1024 places; half of the accesses go to an eighth of them. */
    const __u64 draw = *random >> 48;
    const __u64 key = (draw & 1 ? draw >> 8 : draw >> 5) + 1;
    const __u32 index = (__u32)(key * 0x9e3779b97f4a7c15ULL >> 56) % SETS;
    struct set* set = bench_lookup(cache, &index);
    if (!set) return 0;
    __u32 oldest = 0;
    for (__u32 way = 0; way < WAYS; ++way) {
        if (set->key[way] == key) {
            set->used[way] = now;
            return (int)set->value[way];
        }
        if (set->used[way] < set->used[oldest & (WAYS - 1)]) oldest = way;
    }
    oldest &= WAYS - 1;
    set->key[oldest] = key;
    set->used[oldest] = now;
    set->value[oldest] = key ^ now;
    return -1;
}

BENCH_INPUT(lru_cache, "four-way cache with replacement of the least recently used") {
    const __u32 first = 0;
    const __u64 seed = 2026;
    bench_random_packet(input, 64);
    input->put(input, "generator", &first, &seed);
}
