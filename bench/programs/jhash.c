/* SPDX-License-Identifier: MIT */
/* Jenkins' hash of packet bytes. */
#include "bench.h"
#include "jenkins.h"

#define WORDS 12

SEC("xdp")
int jhash(struct xdp_md* ctx) {
    const __u32* words = bench_data(ctx);
    if ((const void*)(words + WORDS) > bench_end(ctx)) return 0;
    return (int)jenkins_hash(words, WORDS, 0x5eed);
}

BENCH_INPUT(jhash, "Jenkins' hash of 48 bytes") {
    bench_random_packet(input, 64);
}
