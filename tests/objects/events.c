// SPDX-License-Identifier: MIT
// Programs that report through ring buffers. Their sizes are made to fit as libbpf does.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct event {
    __u32 least_bytes;  // the packet has
    char name[12];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 5000);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
    __uint(key_size, 0);
    __uint(value_size, 0);
} copies SEC(".maps");

SEC("xdp")
int report(struct xdp_md* ctx) {
    struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) return XDP_DROP;
    const void* data = (void*)(long)ctx->data;
    const void* data_end = (void*)(long)ctx->data_end;
    event->least_bytes = data + 64 > data_end ? 0 : 64;
    bpf_get_current_comm(event->name, sizeof(event->name));
    if (event->least_bytes == 0) {
        bpf_ringbuf_discard(event, 0);
    } else {
        bpf_ringbuf_submit(event, 0);
    }
    return XDP_PASS;
}

SEC("xdp")
int copy(__attribute__((unused)) struct xdp_md* ctx) {
    __u32 number = 7;
    bpf_ringbuf_output(&copies, &number, sizeof(number), BPF_RB_NO_WAKEUP);
    return bpf_ringbuf_query(&copies, BPF_RB_AVAIL_DATA) == 16 ? XDP_PASS : XDP_DROP;
}
