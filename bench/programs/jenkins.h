/* SPDX-License-Identifier: MIT */
/* Jenkins' lookup3 hash of words. Source: Bob Jenkins, http://burtleburtle.net/bob/c/lookup3.c (public
 * domain); the variant that Linux calls jhash2. */
#pragma once

#include <linux/types.h>

static __always_inline __u32 jenkins_rotate(__u32 x, __u32 bits) {
    return x << bits | x >> (32 - bits);
}

#define JENKINS_STEP(x, y, z, bits) ((x) = ((x) - (z)) ^ jenkins_rotate(z, bits), (z) += (y))
#define JENKINS_LAST(x, y, bits) ((x) = ((x) ^ (y)) - jenkins_rotate(y, bits))

static __always_inline __u32 jenkins_finish(__u32 a, __u32 b, __u32 c) {
    JENKINS_LAST(c, b, 14);
    JENKINS_LAST(a, c, 11);
    JENKINS_LAST(b, a, 25);
    JENKINS_LAST(c, b, 16);
    JENKINS_LAST(a, c, 4);
    JENKINS_LAST(b, a, 14);
    JENKINS_LAST(c, b, 24);
    return c;
}

/* Requires: `count` is a constant and not 0. */
static __always_inline __u32 jenkins_hash(const __u32* words, __u32 count, __u32 seed) {
    __u32 a = 0xdeadbeef + (count << 2) + seed;
    __u32 b = a;
    __u32 c = a;
    for (; count > 3; words += 3, count -= 3) {
        a += words[0];
        b += words[1];
        c += words[2];
        JENKINS_STEP(a, b, c, 4);
        JENKINS_STEP(b, c, a, 6);
        JENKINS_STEP(c, a, b, 8);
        JENKINS_STEP(a, b, c, 16);
        JENKINS_STEP(b, c, a, 19);
        JENKINS_STEP(c, a, b, 4);
    }
    if (count > 2) c += words[2];
    if (count > 1) b += words[1];
    a += words[0];
    return jenkins_finish(a, b, c);
}
