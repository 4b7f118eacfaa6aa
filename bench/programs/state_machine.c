/* SPDX-License-Identifier: MIT */
/* Splits text into words, numbers, quoted strings and comments, one byte at a time. */
#include "bench.h"

#define TEXT 256

enum state { SPACE, WORD, NUMBER, QUOTED, ESCAPED, COMMENT };

static __always_inline enum state next_state(enum state now, __u8 byte) {
    switch (now) {
        case QUOTED:
            return byte == '"' ? SPACE : byte == '\\' ? ESCAPED : QUOTED;
        case ESCAPED:
            return QUOTED;
        case COMMENT:
            return byte == '\n' ? SPACE : COMMENT;
        case SPACE:
        case WORD:
        case NUMBER:
            break;
    }
    if (byte == '"') return QUOTED;
    if (byte == '#') return COMMENT;
    if (byte >= '0' && byte <= '9') return now == WORD ? WORD : NUMBER;
    if ((byte >= 'a' && byte <= 'z') || byte == '_') return WORD;
    return SPACE;
}

SEC("xdp")
int state_machine(struct xdp_md* ctx) {
    const __u8* text = bench_data(ctx);
    if ((const void*)(text + TEXT) > bench_end(ctx)) return 0;
    enum state state = SPACE;
    __u32 tokens = 0;
    for (__u32 i = 0; i < TEXT; ++i) {
        const enum state next = next_state(state, text[i]);
        tokens += next != state;
        state = next;
    }
    return (int)(tokens << 8 | state);
}

BENCH_INPUT(state_machine, "tokenises 256 bytes of text") {
    static const char kinds[] = "abcdefghijklmnopqrstuvwxyz_0123456789  \"\\#\n,";
    __u64 state = 7;
    input->packet_bytes = TEXT;
    for (__u32 i = 0; i < TEXT; ++i)
        input->packet[i] = (__u8)kinds[bench_random(&state) % (sizeof(kinds) - 1)];
}
