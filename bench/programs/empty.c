/* SPDX-License-Identifier: MIT */
/* What a run costs at least. */
#include "bench.h"

SEC("xdp")
int empty(struct xdp_md* ctx) {
    (void)ctx;
    return XDP_PASS;
}

BENCH_INPUT(empty, "returns at once") {
    bench_random_packet(input, 64);
}
