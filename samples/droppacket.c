// SPDX-License-Identifier: MIT
// Drops UDP datagrams to port 53 that carry no payload, and counts them.
//
// A DNS query always has a payload, so an empty datagram (UDP length of at most the header's 8) to the DNS
// port only costs the server time. The program looks at untagged Ethernet frames with IPv4 (any header
// options) or IPv6 (UDP directly behind the fixed header). All other frames pass, also fragments other than
// the first, which have no UDP header, and frames too short to tell.
//
// Map `dropped`, element 0: how many datagrams were dropped since the program was loaded.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DNS_PORT 53
#define IPV4_FRAGMENT_OFFSET 0x1fff

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} dropped SEC(".maps");

static __always_inline int is_empty_dns(const struct udphdr* udp, const void* end) {
    if ((const void*)(udp + 1) > end) return 0;
    return udp->dest == bpf_htons(DNS_PORT) && bpf_ntohs(udp->len) <= sizeof(*udp);
}

static __always_inline int is_empty_dns_ipv4(const struct iphdr* ip, const void* end) {
    if ((const void*)(ip + 1) > end) return 0;
    if (ip->protocol != IPPROTO_UDP) return 0;
    if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)) return 0;
    if (ip->ihl < 5) return 0;
    return is_empty_dns((const void*)ip + ip->ihl * 4, end);
}

static __always_inline int is_empty_dns_ipv6(const struct ipv6hdr* ip, const void* end) {
    if ((const void*)(ip + 1) > end) return 0;
    if (ip->nexthdr != IPPROTO_UDP) return 0;
    return is_empty_dns((const void*)(ip + 1), end);
}

SEC("xdp")
int droppacket(struct xdp_md* ctx) {
    const void* data = (const void*)(long)ctx->data;
    const void* end = (const void*)(long)ctx->data_end;
    const struct ethhdr* eth = data;
    if ((const void*)(eth + 1) > end) return XDP_PASS;

    int drop = 0;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        drop = is_empty_dns_ipv4((const void*)(eth + 1), end);
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        drop = is_empty_dns_ipv6((const void*)(eth + 1), end);
    }
    if (!drop) return XDP_PASS;

    __u32 key = 0;
    __u64* count = bpf_map_lookup_elem(&dropped, &key);
    if (count) __sync_fetch_and_add(count, 1);
    return XDP_DROP;
}

char _license[] SEC("license") = "MIT";
