// SPDX-License-Identifier: MIT
// Bind programs for one hook at the same time.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} calls SEC(".maps");

// Refuses port 5000.
SEC("cgroup/bind4")
int refuse_5000(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(5000);
}

// Allows three calls, whatever other programs say of them.
SEC("cgroup/bind4")
int allow_three(struct bpf_sock_addr* ctx) {
    (void)ctx;
    const __u32 only = 0;
    __u64* count = bpf_map_lookup_elem(&calls, &only);
    if (!count) return 0;
    return __sync_fetch_and_add(count, 1) < 3;
}

// Makes port 5005 out of 5004.
SEC("cgroup/bind4")
int rewrite_5004(struct bpf_sock_addr* ctx) {
    if (ctx->user_port == bpf_htons(5004)) ctx->user_port = bpf_htons(5005);
    return 1;
}

SEC("cgroup/bind4")
int refuse_5005(struct bpf_sock_addr* ctx) {
    return ctx->user_port != bpf_htons(5005);
}

char _license[] SEC("license") = "MIT";
