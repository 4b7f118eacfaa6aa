/* SPDX-License-Identifier: MIT */
/* One lookup in a hash map, keys of 8 bytes. */
#include "bench.h"

BENCH_HASH(flows, __u64, __u64, 1024);

SEC("xdp")
int hash_lookup(struct xdp_md* ctx) {
    const __u64* word = bench_data(ctx);
    if ((const void*)(word + 1) > bench_end(ctx)) return 0;
    const __u64 key = *word;
    const __u64* value = bench_lookup(flows, &key);
    return value ? (int)*value : -1;
}

BENCH_INPUT(hash_lookup, "one hash lookup, key of 8 bytes, 512 elements") {
    __u64 state = 3;
    bench_random_packet(input, 64);
    for (__u64 i = 0; i < 512; ++i) {
        __u64 key = (__u64)bench_random(&state) << 32 | bench_random(&state);
        if (i == 100) __builtin_memcpy(&key, input->packet, sizeof(key));
        input->put(input, "flows", &key, &i);
    }
}
