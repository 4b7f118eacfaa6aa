/* SPDX-License-Identifier: MIT */
/* SipHash-2-4. Source: Aumasson, Bernstein: SipHash: a fast short-input PRF (2012). */
#include "bench.h"

#define WORDS 8

static __always_inline __u64 rotate(__u64 x, __u32 bits) {
    return x << bits | x >> (64 - bits);
}

struct sip {
    __u64 a, b, c, d;
};

static __always_inline void sip_round(struct sip* s) {
    s->a += s->b;
    s->c += s->d;
    s->b = rotate(s->b, 13) ^ s->a;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a = rotate(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = rotate(s->b, 17) ^ s->c;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c = rotate(s->c, 32);
}

SEC("xdp")
int siphash(struct xdp_md* ctx) {
    const __u64* words = bench_data(ctx);
    if ((const void*)(words + WORDS) > bench_end(ctx)) return 0;
    const __u64 key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    struct sip s = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                    key[1] ^ 0x7465646279746573};
    for (__u32 i = 0; i < WORDS; ++i) {
        s.d ^= words[i];
        sip_round(&s);
        sip_round(&s);
        s.a ^= words[i];
    }
    const __u64 last = (__u64)(WORDS * 8) << 56;
    s.d ^= last;
    sip_round(&s);
    sip_round(&s);
    s.a ^= last;
    s.c ^= 0xff;
    for (__u32 i = 0; i < 4; ++i) sip_round(&s);
    const __u64 hash = s.a ^ s.b ^ s.c ^ s.d;
    return (int)(hash ^ hash >> 32);
}

BENCH_INPUT(siphash, "SipHash-2-4 of 64 bytes") {
    bench_random_packet(input, 64);
}
