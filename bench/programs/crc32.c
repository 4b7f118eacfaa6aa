/* SPDX-License-Identifier: MIT */
/* CRC-32 (IEEE 802.3) by a table of 256 entries in an array map. */
#include "bench.h"

#define BYTES 128

struct table {
    __u32 of[256];
};

BENCH_ARRAY(crc_table, struct table, 1);

SEC("xdp")
int crc32(struct xdp_md* ctx) {
    const __u8* bytes = bench_data(ctx);
    if ((const void*)(bytes + BYTES) > bench_end(ctx)) return 0;
    const __u32 first = 0;
    const struct table* table = bench_lookup(crc_table, &first);
    if (!table) return 0;
    __u32 crc = 0xffffffff;
    for (__u32 i = 0; i < BYTES; ++i) crc = crc >> 8 ^ table->of[(crc ^ bytes[i]) & 0xff];
    return (int)~crc;
}

BENCH_INPUT(crc32, "CRC-32 of 128 bytes by table") {
    const __u32 first = 0;
    struct table table;
    for (__u32 i = 0; i < 256; ++i) {
        __u32 entry = i;
        for (__u32 bit = 0; bit < 8; ++bit) entry = entry >> 1 ^ (entry & 1 ? 0xedb88320 : 0);
        table.of[i] = entry;
    }
    bench_random_packet(input, 256);
    input->put(input, "crc_table", &first, &table);
}
