// SPDX-License-Identifier: MIT
// Functions by their address: helpers that call back, nested, with packet and maps; and calls through
// registers, of functions of this file and, as compilers that do not optimise make them, of helpers.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct counter {
    __u64 packets;
    __u64 bytes;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct counter);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u64);
} table SEC(".maps");

struct sum {
    __u64 total;
    __u32 limit;
    __u32 visited;
};

static long add_square(__u32 index, void* context) {
    struct sum* sum = context;
    sum->total += (__u64)index * index;
    sum->visited++;
    return sum->total > sum->limit;
}

static long add_counter(void* map, __u32* key, struct counter* value, void* context) {
    struct sum* sum = context;
    sum->total += value->packets + *key;
    if (value->packets == 0) bpf_map_delete_elem(map, key);
    return 0;
}

static long fill(__attribute__((unused)) void* map, __u32* key, __u64* value, void* context) {
    struct sum inner = {.limit = 1000};
    bpf_loop(*key + 1, add_square, &inner, 0);
    *value = inner.total;
    *(__u64*)context += inner.total;
    return 0;
}

// bpf_loop over the bytes of a packet, each checked on its own.
struct walk {
    struct xdp_md* ctx;
    __u32 sum;
};

static long add_byte(__u32 index, void* context) {
    struct walk* walk = context;
    void* data = (void*)(long)walk->ctx->data;
    void* data_end = (void*)(long)walk->ctx->data_end;
    unsigned char* byte = data + (index & 0x3ff);
    if ((void*)(byte + 1) > data_end) return 1;
    walk->sum += *byte;
    return 0;
}

SEC("xdp")
int squares(__attribute__((unused)) struct xdp_md* ctx) {
    struct sum sum = {.limit = 100};
    bpf_loop(20, add_square, &sum, 0);
    return sum.total == 140 && sum.visited == 8 ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int elements(__attribute__((unused)) struct xdp_md* ctx) {
    struct sum sum = {};
    __u32 key = 5;
    struct counter counter = {.packets = 3, .bytes = 100};
    bpf_map_update_elem(&counters, &key, &counter, BPF_ANY);
    key = 7;
    counter.packets = 0;
    bpf_map_update_elem(&counters, &key, &counter, BPF_ANY);
    long visited = bpf_for_each_map_elem(&counters, add_counter, &sum, 0);
    long left = bpf_for_each_map_elem(&counters, add_counter, &sum, 0);
    return visited == 2 && left == 1 && sum.total == 23 ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int nested(__attribute__((unused)) struct xdp_md* ctx) {
    __u64 total = 0;
    bpf_for_each_map_elem(&table, fill, &total, 0);
    return total == 336 ? XDP_PASS : XDP_ABORTED;
}

SEC("xdp")
int bytes(struct xdp_md* ctx) {
    struct walk walk = {.ctx = ctx, .sum = 0};
    bpf_loop(1024, add_byte, &walk, 0);
    return walk.sum == 0x1234 ? XDP_DROP : XDP_PASS;
}

static __noinline int twice(int value) {
    return 2 * value;
}

static __noinline int apply(int (*function)(int), int value) {
    barrier_var(function);  // else the compiler calls it by its name
    return function(value) + 1;
}

SEC("xdp")
int through_register(struct xdp_md* ctx) {
    int value = apply(twice, ctx->rx_queue_index & 7);
    return value == 1 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
