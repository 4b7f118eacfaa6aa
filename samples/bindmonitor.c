// SPDX-License-Identifier: MIT
// How many ports programs hold: counts binds and unbinds of each process, denies a bind when the process
// holds as many ports as the map `limits` says for its name (no entry: any number), and reports each denial.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <ebpf_nethooks.h>
#include <linux/bpf.h>

struct name {
    char text[16];  // as bpf_get_current_comm() gives it; the rest is 0
};

struct usage {
    __u64 binds;  // permitted
    __u64 unbinds;
    __u64 denials;
    struct name name;
};

struct denial {
    __u64 process;
    __u32 held;
    __u16 port;
    __u8 protocol;
    __u8 reserved;
    struct name name;
};

// Ports that a program of this name may hold in each of its processes.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, struct name);
    __type(value, __u32);
} limits SEC(".maps");

// By process, as long as it holds a port or was denied one.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct usage);
} processes SEC(".maps");

// Of all processes.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct usage);
} total SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 65536);
} denials SEC(".maps");

static __always_inline struct usage* usage_of(__u64 process, const struct name* name) {
    struct usage* usage = bpf_map_lookup_elem(&processes, &process);
    if (usage) return usage;
    struct usage none = {.binds = 0, .unbinds = 0, .denials = 0, .name = *name};
    bpf_map_update_elem(&processes, &process, &none, BPF_NOEXIST);
    return bpf_map_lookup_elem(&processes, &process);
}

static __always_inline void report(const bind_md_t* ctx, const struct name* name, __u64 held) {
    struct denial* denial = bpf_ringbuf_reserve(&denials, sizeof *denial, 0);
    if (!denial) return;  // nobody reads; the counts have it all the same
    denial->process = ctx->process_id;
    denial->held = (__u32)held;
    denial->port = bpf_ntohs(*(const __u16*)&ctx->socket_address[2]);
    denial->protocol = ctx->protocol;
    denial->reserved = 0;
    denial->name = *name;
    bpf_ringbuf_submit(denial, 0);
}

SEC("bind")
int bindmonitor(bind_md_t* ctx) {
    const __u32 only = 0;
    struct name name = {};
    struct usage* sum = bpf_map_lookup_elem(&total, &only);
    if (!sum) return BIND_PERMIT;

    if (ctx->operation == BIND_OPERATION_UNBIND) {
        __u64 process = ctx->process_id;
        struct usage* usage = bpf_map_lookup_elem(&processes, &process);
        __sync_fetch_and_add(&sum->unbinds, 1);
        if (!usage) return BIND_PERMIT;
        __sync_fetch_and_add(&usage->unbinds, 1);
        if (usage->unbinds >= usage->binds) bpf_map_delete_elem(&processes, &process);
        return BIND_PERMIT;
    }
    if (ctx->operation != BIND_OPERATION_BIND) return BIND_PERMIT;

    bpf_get_current_comm(&name, sizeof name);
    struct usage* usage = usage_of(ctx->process_id, &name);
    if (!usage) return BIND_DENY;  // `processes` is full: better refused than not counted
    __u32* limit = bpf_map_lookup_elem(&limits, &name);
    __u64 held = usage->binds - usage->unbinds;
    if (limit && held >= *limit) {
        __sync_fetch_and_add(&usage->denials, 1);
        __sync_fetch_and_add(&sum->denials, 1);
        report(ctx, &name, held);
        return BIND_DENY;
    }
    __sync_fetch_and_add(&usage->binds, 1);
    __sync_fetch_and_add(&sum->binds, 1);
    return BIND_PERMIT;
}

char _license[] SEC("license") = "MIT";
