// SPDX-License-Identifier: MIT
// Lets a caller bind one port, which it can work out of its own process, thread and user; and any free one.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

SEC("cgroup/bind4")
int caller(struct bpf_sock_addr* ctx) {
    char name[16] = {};
    __u64 ids = bpf_get_current_pid_tgid();
    __u64 user = bpf_get_current_uid_gid();
    __u32 sum = (__u32)(ids >> 32) + (__u32)ids + (__u32)user;
    __u16 port = bpf_ntohs((__u16)ctx->user_port);
    bpf_get_current_comm(name, sizeof(name));
    if (name[0] != 'p' || name[1] != 'y') return 0;
    return port == 0 || port == 20000 + sum % 1000;
}

char _license[] SEC("license") = "GPL";
