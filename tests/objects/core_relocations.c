// SPDX-License-Identifier: MIT
// Must be refused: its access to a kernel structure is to be adapted to the running kernel (CO-RE) when it is
// loaded.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct device {
    int flags;
    int ifindex;
} __attribute__((preserve_access_index));

SEC("xdp")
int core(struct xdp_md* ctx) {
    const struct device* device = (const void*)(long)ctx->data;
    return device->ifindex;
}

char _license[] SEC("license") = "GPL";
