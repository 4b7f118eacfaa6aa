// SPDX-License-Identifier: MIT
// Leads programs to other ports than they ask for: a program that binds or connects to the port in the map's
// key gets the one in its value. IPv4 and IPv6.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u16);
    __type(value, __u16);
} other_ports SEC(".maps");

static __always_inline int redirect(struct bpf_sock_addr* ctx) {
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    __u16* other = bpf_map_lookup_elem(&other_ports, &port);
    if (other) ctx->user_port = bpf_htons(*other);
    return 1;
}

SEC("cgroup/bind4")
int redirect_bind4(struct bpf_sock_addr* ctx) {
    return redirect(ctx);
}

SEC("cgroup/bind6")
int redirect_bind6(struct bpf_sock_addr* ctx) {
    return redirect(ctx);
}

SEC("cgroup/connect4")
int redirect_connect4(struct bpf_sock_addr* ctx) {
    return redirect(ctx);
}

SEC("cgroup/connect6")
int redirect_connect6(struct bpf_sock_addr* ctx) {
    return redirect(ctx);
}

char _license[] SEC("license") = "MIT";
