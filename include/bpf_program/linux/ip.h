/* SPDX-License-Identifier: MIT */
/* IPv4 header (RFC 791). */
#pragma once

#include <linux/types.h>

struct iphdr {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    __u8 ihl : 4, version : 4;
#else
    __u8 version : 4, ihl : 4;
#endif
    __u8 tos;
    __be16 tot_len;
    __be16 id;
    __be16 frag_off;
    __u8 ttl;
    __u8 protocol;
    __sum16 check;
    __be32 saddr;
    __be32 daddr;
    /* Options follow: the header has ihl * 4 bytes. */
};
