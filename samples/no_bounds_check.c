// SPDX-License-Identifier: MIT
// Must be refused: reads the Ethernet header without having compared it with the end of the packet. A frame
// may be shorter than that, so the read could leave the packet. The comparison that is missing is the one in
// droppacket.c.
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int no_bounds_check(struct xdp_md* ctx) {
    const struct ethhdr* eth = (const void*)(long)ctx->data;
    if (eth->h_proto == bpf_htons(ETH_P_ARP)) return XDP_DROP;
    return XDP_PASS;
}

char _license[] SEC("license") = "MIT";
