// SPDX-License-Identifier: MIT
// Ports that programs may bind: those between `first` and `last` of the map `ports`, and any free one (port
// 0). One policy for IPv4 and IPv6. Counts what it allows and refuses.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

enum { DENY = 0, ALLOW = 1 };

struct range {
    __u16 first;
    __u16 last;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct range);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u64);
} decisions SEC(".maps");

static __always_inline int decide(struct bpf_sock_addr* ctx) {
    const __u32 only = 0;
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    struct range* range = bpf_map_lookup_elem(&ports, &only);
    if (!range) return DENY;
    __u32 decision = port == 0 || (port >= range->first && port <= range->last) ? ALLOW : DENY;
    __u64* count = bpf_map_lookup_elem(&decisions, &decision);
    if (count) __sync_fetch_and_add(count, 1);
    return decision;
}

SEC("cgroup/bind4")
int bind_policy4(struct bpf_sock_addr* ctx) {
    return decide(ctx);
}

SEC("cgroup/bind6")
int bind_policy6(struct bpf_sock_addr* ctx) {
    return decide(ctx);
}

char _license[] SEC("license") = "MIT";
