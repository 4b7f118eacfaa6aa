// SPDX-License-Identifier: MIT
// A user's program for dns_server: counts queries by name, and drops or redirects the names that have a rule.
//
//   clang-14 -O2 -g -target bpf -I include/bpf_program -c samples/embedding/dns_policy.c -o dns_policy.o
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "dns_hook.h"

#define DNS_HEADER_BYTES 12

struct name {
    char text[DNS_NAME_BYTES];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct name);
    __type(value, __u64);
} counts SEC(".maps");

// An address to answer with, or 0: drop.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct name);
    __type(value, __u32);
} rules SEC(".maps");

static __always_inline void count(const struct name* name) {
    const __u64 one = 1;
    __u64* counted = bpf_map_lookup_elem(&counts, name);
    if (counted) {
        __sync_fetch_and_add(counted, 1);
    } else {
        bpf_map_update_elem(&counts, name, &one, BPF_NOEXIST);
    }
}

SEC("dns/policy")
int policy(struct dns_query* query) {
    struct name name;
    dns_name(query, name.text, sizeof(name));
    count(&name);
    const __u32* rule = bpf_map_lookup_elem(&rules, &name);
    if (!rule) return DNS_ANSWER;
    if (*rule == 0) return DNS_DROP;
    query->answer = *rule;
    return DNS_ANSWER;
}

// Another one, to put in its place while the server runs: refuses what is no plain query, looking at its
// bytes.
SEC("dns/strict")
int strict(struct dns_query* query) {
    const unsigned char* data = query->data;
    if (data + DNS_HEADER_BYTES > query->data_end) return DNS_DROP;
    const unsigned char opcode = (data[2] >> 3) & 15;
    return opcode == 0 && query->type == 1 ? DNS_ANSWER : DNS_REFUSE;
}
