/* SPDX-License-Identifier: MIT */
/* What the programs of this folder are written with. One source is compiled twice: by clang for BPF, where
 * the macros are sections, maps and helpers; and natively, where maps are plain C data structures (native.h).
 * Each file is one program and its input, in three parts:
 * - BENCH_ARRAY(counters, __u64, 16); BENCH_HASH(...): maps, by name, types and entries;
 * - SEC("xdp") int name(struct xdp_md* ctx) { ... }: the program; what it returns is compared;
 * - BENCH_INPUT(name, "what it is") { ... }: its packet and the first contents of its maps; on the host only.
 */
#pragma once

#include "registry.h"

#ifdef __bpf__

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define BENCH_MAP(name, map_type, key_type, value_type, entries) \
    struct {                                                     \
        __uint(type, map_type);                                  \
        __uint(max_entries, entries);                            \
        __type(key, key_type);                                   \
        __type(value, value_type);                               \
    } name SEC(".maps")
#define BENCH_ARRAY(name, value_type, entries) BENCH_MAP(name, BPF_MAP_TYPE_ARRAY, __u32, value_type, entries)
#define BENCH_HASH(name, key_type, value_type, entries) \
    BENCH_MAP(name, BPF_MAP_TYPE_HASH, key_type, value_type, entries)
#define bench_lookup(name, key) ((typeof(name.value))bpf_map_lookup_elem(&name, key))
#define bench_update(name, key, value) bpf_map_update_elem(&name, key, value, BPF_ANY)
#define bench_delete(name, key) bpf_map_delete_elem(&name, key)

#define BENCH_INPUT(name, summary)          \
    char _license[] SEC("license") = "MIT"; \
    __attribute__((unused)) static void bench_input_of_##name(struct bench_input* input)

#else
#include "native.h"
#endif

#include <bpf/bpf_endian.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

static __always_inline void* bench_data(const struct xdp_md* ctx) {
    return (void*)(long)ctx->data;
}
static __always_inline void* bench_end(const struct xdp_md* ctx) {
    return (void*)(long)ctx->data_end;
}

/* A number that is the same on every run. */
static __always_inline __u32 bench_random(__u64* state) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (__u32)(*state >> 33);
}

/* Makes the packet `bytes` bytes long, of random contents. */
static __always_inline void bench_random_packet(struct bench_input* input, unsigned int bytes) {
    __u64 state = 42;
    input->packet_bytes = bytes;
    for (unsigned int i = 0; i < bytes; ++i) input->packet[i] = (unsigned char)bench_random(&state);
}

/* Makes the packet an Ethernet frame of `bytes` bytes with IPv4 and UDP or TCP from 10.0.0.1:1234 to
 * 192.168.0.2:`port`; the payload is random. */
static __always_inline void bench_ip_packet(struct bench_input* input, unsigned int bytes, __u8 protocol,
                                            __u16 port) {
    bench_random_packet(input, bytes);
    struct ethhdr* eth = (struct ethhdr*)input->packet;
    eth->h_proto = bpf_htons(ETH_P_IP);
    struct iphdr* ip = (struct iphdr*)(eth + 1);
    __builtin_memset(ip, 0, sizeof(*ip));
    ip->version = 4;
    ip->ihl = 5;
    ip->ttl = 64;
    ip->protocol = protocol;
    ip->tot_len = bpf_htons((__u16)(bytes - sizeof(*eth)));
    ip->saddr = bpf_htonl(0x0a000001);
    ip->daddr = bpf_htonl(0xc0a80002);
    struct udphdr* udp = (struct udphdr*)(ip + 1);
    udp->source = bpf_htons(1234);
    udp->dest = bpf_htons(port);
    if (protocol == IPPROTO_UDP) udp->len = bpf_htons((__u16)(bytes - sizeof(*eth) - sizeof(*ip)));
}
