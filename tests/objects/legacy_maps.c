// SPDX-License-Identifier: MIT
// Maps defined without BTF, in section maps.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_map_def {
    unsigned int type;
    unsigned int key_size;
    unsigned int value_size;
    unsigned int max_entries;
    unsigned int map_flags;
};

struct bpf_map_def SEC("maps") table = {
    .type = BPF_MAP_TYPE_HASH,
    .key_size = 4,
    .value_size = 24,
    .max_entries = 16,
    .map_flags = BPF_F_NO_PREALLOC,
};

struct bpf_map_def SEC("maps") slots = {
    .type = BPF_MAP_TYPE_ARRAY,
    .key_size = 4,
    .value_size = 8,
    .max_entries = 2,
};

SEC("xdp/legacy")
int legacy(struct xdp_md* ctx) {
    __u32 key = ctx->ingress_ifindex;
    __u64* value = bpf_map_lookup_elem(&slots, &key);
    if (!value) return XDP_PASS;
    return bpf_map_delete_elem(&table, &key) ? XDP_DROP : XDP_PASS;
}
