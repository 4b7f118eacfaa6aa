/* SPDX-License-Identifier: MIT */
/* Fields of 2, 4 and 8 bytes in network byte order. */
#include "bench.h"

#define RECORDS 24

struct record {
    __be16 kind;
    __be32 sequence;
    __be64 stamp;
} __attribute__((packed));

SEC("xdp")
int big_endian(struct xdp_md* ctx) {
    const struct record* records = bench_data(ctx);
    if ((const void*)(records + RECORDS) > bench_end(ctx)) return 0;
    __u64 sum = 0;
    for (__u32 i = 0; i < RECORDS; ++i) {
        sum += bpf_ntohs(records[i].kind);
        sum ^= bpf_ntohl(records[i].sequence);
        sum += bpf_be64_to_cpu(records[i].stamp);
    }
    return (int)(sum ^ sum >> 32);
}

BENCH_INPUT(big_endian, "24 unaligned records of three big-endian fields") {
    bench_random_packet(input, RECORDS * sizeof(struct record));
}
