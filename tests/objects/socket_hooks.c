// SPDX-License-Identifier: MIT
// A program for each of the hooks besides bind and connect. Ports are numbers of the map `ports`: what is
// asked for becomes what stands there; 0 is refused. `seen` counts the calls of each hook.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u16);
    __type(value, __u16);
} ports SEC(".maps");

enum { SEND4, SEND6, OWN4, OWN6, PEER4, PEER6, CREATE, LISTEN4, LISTEN6, ACCEPT4, ACCEPT6, HOOKS };

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, HOOKS);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

static __always_inline void count(__u32 hook) {
    __u64* counter = bpf_map_lookup_elem(&seen, &hook);
    if (counter) __sync_fetch_and_add(counter, 1);
}

static __always_inline int replace(struct bpf_sock_addr* ctx, __u32 hook) {
    count(hook);
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    __u16* other = bpf_map_lookup_elem(&ports, &port);
    if (!other) return 1;
    if (*other == 0) return 0;
    ctx->user_port = bpf_htons(*other);
    return 1;
}

SEC("cgroup/sendmsg4")
int send4(struct bpf_sock_addr* ctx) {
    // From 127.0.0.2 if the port says so.
    if (ctx->user_port == bpf_htons(7702)) ctx->msg_src_ip4 = bpf_htonl(0x7f000002);
    return replace(ctx, SEND4);
}

SEC("cgroup/sendmsg6")
int send6(struct bpf_sock_addr* ctx) {
    return replace(ctx, SEND6);
}

SEC("cgroup/getsockname4")
int own4(struct bpf_sock_addr* ctx) {
    replace(ctx, OWN4);
    return 1;
}

SEC("cgroup/getsockname6")
int own6(struct bpf_sock_addr* ctx) {
    replace(ctx, OWN6);
    return 1;
}

SEC("cgroup/getpeername4")
int peer4(struct bpf_sock_addr* ctx) {
    replace(ctx, PEER4);
    return 1;
}

SEC("cgroup/getpeername6")
int peer6(struct bpf_sock_addr* ctx) {
    replace(ctx, PEER6);
    return 1;
}

// No raw sockets, no UDP over IPv6.
SEC("cgroup/sock_create")
int create(struct bpf_sock* ctx) {
    count(CREATE);
    if (ctx->type == 3) return 0;
    return !(ctx->family == 10 && ctx->protocol == 17);
}

static __always_inline int may_listen(struct bpf_sock_addr* ctx, __u32 hook) {
    count(hook);
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    __u16* other = bpf_map_lookup_elem(&ports, &port);
    return !other || *other != 0;
}

SEC("cgroup/listen4")
int listen4(struct bpf_sock_addr* ctx) {
    return may_listen(ctx, LISTEN4);
}

SEC("cgroup/listen6")
int listen6(struct bpf_sock_addr* ctx) {
    return may_listen(ctx, LISTEN6);
}

// Nothing from 127.0.0.3 or ::1.
SEC("cgroup/recv_accept4")
int accept4(struct bpf_sock_addr* ctx) {
    count(ACCEPT4);
    return ctx->msg_src_ip4 != bpf_htonl(0x7f000003);
}

SEC("cgroup/recv_accept6")
int accept6(struct bpf_sock_addr* ctx) {
    count(ACCEPT6);
    return ctx->msg_src_ip6[3] != bpf_htonl(1);
}

char _license[] SEC("license") = "MIT";
