// SPDX-License-Identifier: MIT
// A bind program that lets three ports be held at a time, sends port 80 to 5080 (and, with another verdict,
// leaves port 81 where it is although it writes 5081), and permits nothing to an application with an 'x' at
// the end.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <ebpf_nethooks.h>
#include <linux/bpf.h>

enum { MOST = 3, PORT_OFFSET = 2 };

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __s64);
} held SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} bound SEC(".maps");

static __always_inline int ends_with_x(const bind_md_t* ctx) {
    const __u8* at = ctx->app_id_start;
    __u8 last = 0;
    for (int i = 0; i < 64; ++i, ++at) {
        if (at + 1 > ctx->app_id_end) break;
        last = *at;
    }
    return last == 'x';
}

SEC("bind")
int binds(bind_md_t* ctx) {
    const __u32 only = 0;
    __s64* count = bpf_map_lookup_elem(&held, &only);
    if (!count) return BIND_DENY;
    __u16* port = (__u16*)&ctx->socket_address[PORT_OFFSET];
    switch (ctx->operation) {
        case BIND_OPERATION_BIND:
            if (*count >= MOST || ends_with_x(ctx)) return BIND_DENY;
            __sync_fetch_and_add(count, 1);
            if (*port == bpf_htons(80)) {
                *port = bpf_htons(5080);
                return BIND_REDIRECT;
            }
            if (*port == bpf_htons(81)) *port = bpf_htons(5081);
            return BIND_PERMIT;
        case BIND_OPERATION_POST_BIND: {
            __u16 chosen = *port;
            bpf_ringbuf_output(&bound, &chosen, sizeof chosen, 0);
            return BIND_DENY;  // too late: counts for nothing
        }
        default:
            __sync_fetch_and_add(count, -1);
            return BIND_DENY;
    }
}

char _license[] SEC("license") = "MIT";
