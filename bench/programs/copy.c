/* SPDX-License-Identifier: MIT */
/* Copies packet bytes to the stack, and back elsewhere in another order. */
#include "bench.h"

#define BYTES 256
#define PIECE 16

SEC("xdp")
int copy(struct xdp_md* ctx) {
    __u8* from = bench_data(ctx);
    if ((void*)(from + 2 * BYTES) > bench_end(ctx)) return 0;
    __u8* to = from + BYTES;
    __u8 buffer[BYTES];
    /* In pieces that clang copies itself, each with a pointer that it does not know: it would make one call
     * of memcpy() of them, which BPF has not. */
#pragma clang loop unroll(full)
    for (__u32 at = 0; at < BYTES; at += PIECE) {
        __builtin_memcpy(buffer + at, from + at, PIECE);
        barrier_var(from);
    }
#pragma clang loop unroll(full)
    for (__u32 at = 0; at < BYTES; at += PIECE) {
        __builtin_memcpy(to + at, buffer + BYTES - PIECE - at, PIECE);
        barrier_var(to);
    }
    return to[0] << 8 | to[BYTES - 1];
}

BENCH_INPUT(copy, "256 bytes from the packet to the stack and back") {
    bench_random_packet(input, 2 * BYTES);
}
