// SPDX-License-Identifier: MIT
// Everything that linking deals with: two programs in one section, one in another, subprograms in .text and
// in a program section, static and global, global data of each kind, three kinds of maps.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct key {
    __u32 address;
    __u16 port;
    __u16 zero;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 100);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, struct key);
    __type(value, __u64);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} chain SEC(".maps");

typedef const volatile __u32 counters_t[3];

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 7);
    __type(key, __u32);
    __type(value, counters_t);
} counters SEC(".maps");

const volatile __u32 limit = 1000;
volatile __u32 first_word = 1;
volatile __u32 factor = 77;
static volatile __u32 calls;
static volatile __u64 total;

static __noinline __u32 scale(__u32 value) {
    return value * factor + limit;
}

__noinline __u32 scale_twice(__u32 value) {
    return scale(value) + scale(value + first_word);
}

static SEC("xdp") __noinline __u32 count(__u32 amount) {
    calls++;
    total += amount;
    return calls;
}

SEC("xdp")
int first(struct xdp_md* ctx) {
    struct key key = {.address = ctx->ingress_ifindex, .port = 53, .zero = 0};
    __u64* found = bpf_map_lookup_elem(&flows, &key);
    if (found) *found += scale_twice(ctx->rx_queue_index);
    return count(1) > 5 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int second(struct xdp_md* ctx) {
    bpf_tail_call(ctx, &chain, 2);
    bpf_printk("second");
    bpf_printk("second %d", scale(3));
    bpf_printk("second %d %d %d", scale(3), 4, 5);
    return count(2) > limit ? XDP_DROP : XDP_PASS;
}

SEC("socket")
int third(struct __sk_buff* skb) {
    return scale(skb->len);
}

char _license[] SEC("license") = "GPL";
__u32 _version SEC("version") = 0x060102;
