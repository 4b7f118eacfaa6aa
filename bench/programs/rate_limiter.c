/* SPDX-License-Identifier: MIT */
/* Token buckets for source addresses: a packet of an address without tokens is dropped. The clock is a map
 * that each run moves on, so that every engine sees the same times. */
#include "bench.h"

#define NS_PER_TOKEN 5000ULL
#define MOST_TOKENS 64ULL

struct bucket {
    __u64 tokens;
    __u64 filled_ns;
    __u64 passed;
    __u64 dropped;
};

BENCH_ARRAY(clock, __u64, 1);
BENCH_HASH(buckets, __u32, struct bucket, 4096);

SEC("xdp")
int rate_limiter(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    const struct iphdr* ip = (const void*)(eth + 1);
    if ((const void*)(ip + 1) > end) return XDP_PASS;
    if (eth->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
    const __u32 first = 0;
    __u64* time_ns = bench_lookup(clock, &first);
    if (!time_ns) return XDP_ABORTED;
    *time_ns += 1700;
    const __u64 now = *time_ns;
    const __u32 source = ip->saddr;
    struct bucket* bucket = bench_lookup(buckets, &source);
    if (!bucket) {
        const struct bucket fresh = {MOST_TOKENS - 1, now, 1, 0};
        return bench_update(buckets, &source, &fresh) == 0 ? XDP_PASS : XDP_DROP;
    }
    const __u64 earned = (now - bucket->filled_ns) / NS_PER_TOKEN;
    if (earned > 0) {
        const __u64 tokens = bucket->tokens + earned;
        bucket->tokens = tokens < MOST_TOKENS ? tokens : MOST_TOKENS;
        bucket->filled_ns += earned * NS_PER_TOKEN;
    }
    if (bucket->tokens == 0) {
        ++bucket->dropped;
        return XDP_DROP;
    }
    --bucket->tokens;
    ++bucket->passed;
    return XDP_PASS;
}

BENCH_INPUT(rate_limiter, "token bucket for the source address") {
    const __u32 first = 0;
    const __u64 start = 1000000;
    bench_ip_packet(input, 128, IPPROTO_UDP, 4242);
    input->put(input, "clock", &first, &start);
    for (__u32 i = 0; i < 1000; ++i) {
        const __u32 source = bpf_htonl(0x0a010000 + i);
        const struct bucket bucket = {i % 64, 0, 0, 0};
        input->put(input, "buckets", &source, &bucket);
    }
}
