/* SPDX-License-Identifier: MIT */
/* A table of recent numbers: every run stores a new one and deletes an old one. */
#include "bench.h"

#define KEPT 64

BENCH_ARRAY(sequence, __u64, 1);
BENCH_HASH(recent, __u64, __u64, 256);

SEC("xdp")
int hash_update(struct xdp_md* ctx) {
    (void)ctx;
    const __u32 first = 0;
    __u64* sequence_number = bench_lookup(sequence, &first);
    if (!sequence_number) return 0;
    const __u64 now = ++*sequence_number;
    const long stored = bench_update(recent, &now, sequence_number);
    const __u64 old = now - KEPT;
    const long deleted = bench_delete(recent, &old);
    return (stored != 0) << 1 | (deleted != 0);
}

BENCH_INPUT(hash_update, "stores a new element of a hash map, deletes an old one") {
    const __u32 first = 0;
    const __u64 begin = 1000;
    bench_random_packet(input, 64);
    input->put(input, "sequence", &first, &begin);
    for (__u64 i = begin - KEPT + 1; i <= begin; ++i) input->put(input, "recent", &i, &i);
}
