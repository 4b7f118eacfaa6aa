// SPDX-License-Identifier: MIT
// Programs for the relay of dgram.c.
//
//   clang-14 -O2 -g -target bpf -I include/bpf_program -c samples/extension/dgram_policy.c -o dgram_policy.o
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "dgram_hook.h"

#define MASKED_BYTES 64
#define BRIEF_BYTES 16

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, __u64);
} senders SEC(".maps");

// Counts datagrams by user.
SEC("dgram/count")
int count(struct dgram* dgram) {
    const __u32 uid = dgram->uid;
    const __u64 one = 1;
    __u64* counted = bpf_map_lookup_elem(&senders, &uid);
    if (counted) {
        __sync_fetch_and_add(counted, 1);
    } else {
        bpf_map_update_elem(&senders, &uid, &one, BPF_NOEXIST);
    }
    return DGRAM_PASS;
}

// Drops datagrams that begin with '#', and hides the digits at the beginning of others.
SEC("dgram/mask")
int mask(struct dgram* dgram) {
    unsigned char* data = dgram->data;
    if (data + 1 > dgram->data_end) return DGRAM_DROP;
    if (data[0] == '#') return DGRAM_DROP;
    for (int i = 0; i < MASKED_BYTES; ++i) {
        if (data + i + 1 > dgram->data_end) break;
        if (data[i] >= '0' && data[i] <= '9') data[i] = '*';
    }
    return DGRAM_PASS;
}

// Cuts long datagrams, and marks that it did: to be put in the place of mask().
SEC("dgram/brief")
int brief(struct dgram* dgram) {
    unsigned char* data = dgram->data;
    if (data + BRIEF_BYTES + 1 > dgram->data_end) return DGRAM_PASS;
    if (dgram_resize(dgram, BRIEF_BYTES) != 0) return DGRAM_DROP;
    data = dgram->data;
    if (data + BRIEF_BYTES > dgram->data_end) return DGRAM_DROP;
    data[BRIEF_BYTES - 1] = '~';
    return DGRAM_PASS;
}
