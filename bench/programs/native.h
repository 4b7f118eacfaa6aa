/* SPDX-License-Identifier: MIT */
/* The native side of bench.h: maps as plain C data structures for one thread. A hash map does the work of
 * src/maps/hash.cpp: the same hash function and the same buckets and chains, but updates in place. */
#pragma once

/* In a native program the fields of the context are addresses: the beginning of ebpf_xdp_context. */
#define xdp_md xdp_md_of_bpf_programs
#include <linux/bpf.h>
#undef xdp_md
struct xdp_md {
    unsigned char* data;
    unsigned char* data_end;
};

#define SEC(name) static
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define NULL ((void*)0)
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

/* The linker gathers these pointers in arrays. */
#define BENCH_REGISTER(section_name) __attribute__((section(section_name), used))

#define BENCH_INPUT(entry, text)                                                                         \
    static void bench_input_of_##entry(struct bench_input* input);                                       \
    static const struct bench_program bench_program_of_##entry = {#entry, text, entry,                   \
                                                                  bench_input_of_##entry};               \
    static const struct bench_program* const bench_pointer_to_##entry BENCH_REGISTER("bench_programs") = \
        &bench_program_of_##entry;                                                                       \
    static void bench_input_of_##entry(struct bench_input* input)

#define BENCH_MAP(name, key_type, value_type)                                                       \
    static const struct bench_map name##_map = {BENCH_PROGRAM,      #name,        sizeof(key_type), \
                                                sizeof(value_type), name##_clear, name##_store,     \
                                                name##_element};                                    \
    static const struct bench_map* const name##_pointer BENCH_REGISTER("bench_maps") = &name##_map

#define bench_lookup(name, key) name##_lookup(key)
#define bench_update(name, key, value) name##_update(key, value)
#define bench_delete(name, key) name##_delete(key)

#define BENCH_ARRAY(name, value_type, entries)                                         \
    static value_type name##_values[entries];                                          \
    static __always_inline value_type* name##_lookup(const __u32* key) {               \
        return *key < (entries) ? &name##_values[*key] : (value_type*)NULL;            \
    }                                                                                  \
    static void name##_clear(void) {                                                   \
        __builtin_memset(name##_values, 0, sizeof(name##_values));                     \
    }                                                                                  \
    static int name##_store(const void* key, const void* value) {                      \
        value_type* found = name##_lookup((const __u32*)key);                          \
        if (found == NULL) return -1;                                                  \
        *found = *(const value_type*)value;                                            \
        return 0;                                                                      \
    }                                                                                  \
    static int name##_element(unsigned int at, const void** key, const void** value) { \
        static __u32 index;                                                            \
        if (at >= (entries)) return 0;                                                 \
        index = at;                                                                    \
        *key = &index;                                                                 \
        *value = &name##_values[at];                                                   \
        return 1;                                                                      \
    }                                                                                  \
    BENCH_MAP(name, __u32, value_type)

static __always_inline __u64 bench_word(const void* at) {
    __u64 word;
    __builtin_memcpy(&word, at, sizeof(word));
    return word;
}

static __always_inline __u64 bench_term(__u64 word, const unsigned long long* seed) {
    return (seed[0] + (word >> 32)) * (seed[1] + (__u32)word);
}

/* As hash_key() of src/maps/key_hash.hpp, for the sizes in use. */
static __always_inline __u32 bench_hash(const void* key, unsigned int bytes) {
    const unsigned char* at = (const unsigned char*)key;
    __u64 state;
    if (bytes == 4) {
        __u32 word;
        __builtin_memcpy(&word, at, sizeof(word));
        state = (word ^ bench_hash_seed[0]) * bench_hash_seed[1];
    } else if (bytes == 8) {
        state = (bench_word(at) ^ bench_hash_seed[0]) * bench_hash_seed[1];
    } else {
        state = bench_term(bench_word(at), &bench_hash_seed[0]) +
                bench_term(bench_word(at + bytes - 8), &bench_hash_seed[2]);
        if (bytes > 16) state += bench_term(bench_word(at + 8), &bench_hash_seed[4]);
    }
    return (__u32)((state ^ state >> 32) * bench_hash_seed[6] >> 32);
}

/* `entries` must be a power of two. References to elements: number + 1; 0: none. Elements that are not in
 * use are a list from `free`, those never used begin at `fresh`. */
#define BENCH_HASH(name, key_type, value_type, entries)                                                    \
    _Static_assert(((entries) & ((entries) - 1)) == 0 && sizeof(key_type) >= 4 &&                          \
                       (sizeof(key_type) == 4 || (sizeof(key_type) >= 8 && sizeof(key_type) <= 24)),       \
                   "sizes that native.h supports");                                                        \
    static struct {                                                                                        \
        __u32 next;                                                                                        \
        __u32 is_used;                                                                                     \
        __u64 reserved;                                                                                    \
        key_type key;                                                                                      \
        value_type value;                                                                                  \
    } name##_elements[entries];                                                                            \
    static __u32 name##_buckets[entries];                                                                  \
    static __u32 name##_free;                                                                              \
    static __u32 name##_fresh;                                                                             \
    static __always_inline __u32* name##_find(const key_type* key) {                                       \
        __u32* link = &name##_buckets[bench_hash(key, sizeof(key_type)) >> (32 - __builtin_ctz(entries))]; \
        while (*link != 0) {                                                                               \
            if (__builtin_memcmp(&name##_elements[*link - 1].key, key, sizeof(key_type)) == 0) break;      \
            link = &name##_elements[*link - 1].next;                                                       \
        }                                                                                                  \
        return link;                                                                                       \
    }                                                                                                      \
    __attribute__((unused)) static __always_inline value_type* name##_lookup(const key_type* key) {        \
        const __u32 reference = *name##_find(key);                                                         \
        return reference == 0 ? (value_type*)NULL : &name##_elements[reference - 1].value;                 \
    }                                                                                                      \
    static __always_inline long name##_update(const key_type* key, const value_type* value) {              \
        __u32* link = name##_find(key);                                                                    \
        __u32 reference = *link;                                                                           \
        if (reference == 0) {                                                                              \
            reference = name##_free;                                                                       \
            if (reference != 0) {                                                                          \
                name##_free = name##_elements[reference - 1].next;                                         \
            } else {                                                                                       \
                if (name##_fresh == (entries)) return -7; /* E2BIG */                                      \
                reference = ++name##_fresh;                                                                \
            }                                                                                              \
            __u32* bucket =                                                                                \
                &name##_buckets[bench_hash(key, sizeof(key_type)) >> (32 - __builtin_ctz(entries))];       \
            name##_elements[reference - 1].is_used = 1;                                                    \
            name##_elements[reference - 1].key = *key;                                                     \
            name##_elements[reference - 1].next = *bucket;                                                 \
            *bucket = reference;                                                                           \
        }                                                                                                  \
        name##_elements[reference - 1].value = *value;                                                     \
        return 0;                                                                                          \
    }                                                                                                      \
    __attribute__((unused)) static __always_inline long name##_delete(const key_type* key) {               \
        __u32* link = name##_find(key);                                                                    \
        const __u32 reference = *link;                                                                     \
        if (reference == 0) return -2; /* ENOENT */                                                        \
        *link = name##_elements[reference - 1].next;                                                       \
        name##_elements[reference - 1].is_used = 0;                                                        \
        name##_elements[reference - 1].next = name##_free;                                                 \
        name##_free = reference;                                                                           \
        return 0;                                                                                          \
    }                                                                                                      \
    static void name##_clear(void) {                                                                       \
        __builtin_memset(name##_elements, 0, sizeof(name##_elements));                                     \
        __builtin_memset(name##_buckets, 0, sizeof(name##_buckets));                                       \
        name##_free = name##_fresh = 0;                                                                    \
    }                                                                                                      \
    static int name##_store(const void* key, const void* value) {                                          \
        return (int)name##_update((const key_type*)key, (const value_type*)value);                         \
    }                                                                                                      \
    static int name##_element(unsigned int at, const void** key, const void** value) {                     \
        if (at >= (entries)) return 0;                                                                     \
        if (!name##_elements[at].is_used) return -1;                                                       \
        *key = &name##_elements[at].key;                                                                   \
        *value = &name##_elements[at].value;                                                               \
        return 1;                                                                                          \
    }                                                                                                      \
    BENCH_MAP(name, key_type, value_type)
