/* SPDX-License-Identifier: MIT */
/* Reads the name of a DNS query, hashes it without regard to case, and looks it up in a block list. */
#include "bench.h"

#define MOST_NAME 64

struct dns_header {
    __be16 id;
    __be16 flags;
    __be16 questions;
    __be16 answers;
    __be16 authorities;
    __be16 additional;
};

BENCH_HASH(blocked, __u64, __u32, 1024);

static __always_inline __u64 add_byte(__u64 hash, __u8 byte) {
    if (byte >= 'A' && byte <= 'Z') byte += 'a' - 'A';
    return (hash ^ byte) * 0x100000001b3; /* FNV-1a */
}

SEC("xdp")
int dns_filter(struct xdp_md* ctx) {
    const void* end = bench_end(ctx);
    const struct ethhdr* eth = bench_data(ctx);
    const struct iphdr* ip = (const void*)(eth + 1);
    const struct udphdr* udp = (const void*)(ip + 1);
    const struct dns_header* dns = (const void*)(udp + 1);
    if ((const void*)(dns + 1) > end) return XDP_PASS;
    if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return XDP_PASS;
    if (udp->dest != bpf_htons(53) || dns->flags & bpf_htons(0x8000) || !dns->questions) return XDP_PASS;
    const __u8* byte = (const void*)(dns + 1);
    __u64 hash = 0xcbf29ce484222325;
    __u32 label = 0;
    for (__u32 i = 0; i < MOST_NAME; ++i, ++byte) {
        if ((const void*)(byte + 1) > end) return XDP_PASS;
        if (label == 0) {
            label = *byte;
            if (label == 0) break;
            if (label > 63) return XDP_PASS;
            hash = add_byte(hash, '.');
        } else {
            hash = add_byte(hash, *byte);
            --label;
        }
    }
    __u32* hits = bench_lookup(blocked, &hash);
    if (!hits) return XDP_PASS;
    ++*hits;
    return XDP_DROP;
}

BENCH_INPUT(dns_filter, "DNS query name of 28 bytes against a block list") {
    static const char name[] = "\3wWw\10tracking\7exaMPLE\3com";
    const __u32 none = 0;
    bench_ip_packet(input, 14 + 20 + 8 + 12 + sizeof(name) + 4, IPPROTO_UDP, 53);
    struct dns_header* dns = (struct dns_header*)(input->packet + 14 + 20 + 8);
    __builtin_memset(dns, 0, sizeof(*dns));
    dns->questions = bpf_htons(1);
    __builtin_memcpy(dns + 1, name, sizeof(name));
    __u64 hash = 0xcbf29ce484222325;
    const char* spelled = ".www.tracking.example.com";
    while (*spelled) hash = add_byte(hash, (__u8)*spelled++);
    for (__u64 i = 0; i < 500; ++i) input->put(input, "blocked", &i, &none);
    input->put(input, "blocked", &hash, &none);
}
