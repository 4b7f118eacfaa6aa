/* SPDX-License-Identifier: MIT */
/* Looks for a string in a packet. */
#include "bench.h"

#define TEXT 256
#define NEEDLE "GET /admin"
#define NEEDLE_BYTES (sizeof(NEEDLE) - 1)

SEC("xdp")
int string_match(struct xdp_md* ctx) {
    const __u8* text = bench_data(ctx);
    if ((const void*)(text + TEXT) > bench_end(ctx)) return 0;
    const char needle[] = NEEDLE;
    for (__u32 at = 0; at + NEEDLE_BYTES <= TEXT; ++at) {
        __u32 same = 0;
        while (same < NEEDLE_BYTES && text[at + same] == (__u8)needle[same]) ++same;
        if (same == NEEDLE_BYTES) return (int)at;
    }
    return -1;
}

BENCH_INPUT(string_match, "looks for 10 bytes in 256") {
    /* Beginnings of the string all over the text, the string itself near the end.
     */
    static const char text[] = "GEGETGET GET /aGET /adGET /";
    input->packet_bytes = TEXT;
    for (__u32 i = 0; i < TEXT; ++i) input->packet[i] = (__u8)text[i % (sizeof(text) - 1)];
    __builtin_memcpy(input->packet + 232, NEEDLE, NEEDLE_BYTES);
}
