/* SPDX-License-Identifier: MIT */
/* Eight lookups in a hash map, keys of 4 bytes; one of them is not there. */
#include "bench.h"

BENCH_HASH(hosts, __u32, __u64, 1024);

SEC("xdp")
int hash_x8(struct xdp_md* ctx) {
    const __u32* words = bench_data(ctx);
    if ((const void*)(words + 8) > bench_end(ctx)) return 0;
    __u64 sum = 0;
    for (__u32 i = 0; i < 8; ++i) {
        const __u32 key = words[i];
        __u64* value = bench_lookup(hosts, &key);
        if (value) sum += *value;
    }
    return (int)sum;
}

BENCH_INPUT(hash_x8, "eight hash lookups, keys of 4 bytes, 512 elements") {
    __u64 state = 3;
    bench_random_packet(input, 64);
    for (__u64 i = 0; i < 512; ++i) {
        __u32 key = bench_random(&state);
        if (i % 64 == 0 && i != 0) __builtin_memcpy(&key, input->packet + i / 16, sizeof(key));
        input->put(input, "hosts", &key, &i);
    }
}
