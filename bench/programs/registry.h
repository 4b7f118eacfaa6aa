/* SPDX-License-Identifier: MIT */
/* How natively compiled programs and their inputs are known to the measuring program. C and C++. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct xdp_md;

/* What BENCH_INPUT fills in. */
struct bench_input {
    unsigned char packet[2048];
    unsigned int packet_bytes;
    /* Stores an element of a map before the first run. */
    void (*put)(struct bench_input* input, const char* map, const void* key, const void* value);
    void* owner;
};

struct bench_program {
    const char* name;
    const char* summary;
    int (*run)(struct xdp_md* ctx);
    void (*input)(struct bench_input* input);
};

/* A map of a native program. */
struct bench_map {
    const char* program;
    const char* name;
    unsigned int key_bytes;
    unsigned int value_bytes;
    void (*clear)(void);
    int (*store)(const void* key, const void* value);
    /* Element number `at`, from 0, in any order: 1; 0 when there are no more, -1
     * when it is not in use. */
    int (*element)(unsigned int at, const void** key, const void** value);
};

/* The secret of all native hash maps; not constant, so that the compiler cannot compute with it. */
extern unsigned long long bench_hash_seed[7];

#ifdef __cplusplus
}
#endif
