// SPDX-License-Identifier: MIT
// Programs for a hook that a test defines.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "own_hook.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} total SEC(".maps");

SEC("probe/one")
int one(struct probe* probe) {
    probe->answer = 1;
    return 1;
}

SEC("probe/two")
int two(struct probe* probe) {
    probe->answer = 2;
    return 2;
}

SEC("probe/count")
int count(struct probe* probe) {
    const __u32 first = 0;
    __u64* sum = bpf_map_lookup_elem(&total, &first);
    if (!sum) return 0;
    __sync_fetch_and_add(sum, probe->number);
    unsigned char* data = probe->data;
    if (data + 2 > probe->data_end) return 0;
    data[1] = data[0];
    return probe_called(probe, probe->number, data, 2) == 7 ? 3 : 0;
}

// Long enough to start on the interpreter and to move up to the JIT while it runs.
SEC("probe/long")
int long_one(struct probe* probe) {
    __u64 sum = probe->number;
#pragma unroll
    for (int i = 0; i < 200; ++i) {
        sum ^= sum << 13;
        sum += i;
        sum ^= sum >> 7;
    }
    probe->answer = sum;
    return probe_called(probe, probe->number, &sum, sizeof(sum)) == 7 ? 3 : 0;
}
