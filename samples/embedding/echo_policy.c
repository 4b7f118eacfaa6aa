// SPDX-License-Identifier: MIT
// A user's program for echo_server: drops datagrams that begin with '#', makes the first letter of others a
// capital, sends those that begin with '2' back twice, and sums up the first four bytes of each.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "echo_hook.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} sum SEC(".maps");

SEC("echo")
int policy(struct echo_datagram* datagram) {
    unsigned char* data = datagram->data;
    if (data + 4 > datagram->data_end) return ECHO_DROP;
    const __u32 first = 0;
    __u64* total = bpf_map_lookup_elem(&sum, &first);
    if (total) __sync_fetch_and_add(total, echo_sum(data, 4));
    if (data[0] == '#') return ECHO_DROP;
    if (data[0] == '2') datagram->repeats = 2;
    if (data[0] >= 'a' && data[0] <= 'z') data[0] -= 'a' - 'A';
    return ECHO_SEND;
}
