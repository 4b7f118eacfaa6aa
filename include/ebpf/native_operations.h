/* SPDX-License-Identifier: MIT */
/* Operations of BPF that C has no operator for, as generated programs use them (bpf2c). gcc and clang turn
 * each into the machine's own instructions. Addresses are numbers, as in BPF: the verifier has proven every
 * access valid. C only. */
#pragma once

#include "ebpf/native.h"

/* Asks the compiler to make straight code of the loop that follows, which does at most so many rounds. */
#define EBPF_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define EBPF_UNROLL(rounds) EBPF_PRAGMA(clang loop unroll_count(rounds))
#elif defined(__GNUC__) && __GNUC__ >= 8
#define EBPF_UNROLL(rounds) EBPF_PRAGMA(GCC unroll rounds)
#else
#define EBPF_UNROLL(rounds)
#endif

static inline uint8_t* ebpf_pointer(uint64_t address) {
    return (uint8_t*)(uintptr_t)address;
}

static inline uint64_t ebpf_address(const void* pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

_Static_assert(sizeof(void*) == sizeof(uint64_t), "registers hold addresses");
static inline uint8_t* ebpf_load_pointer(const uint8_t* from) {
    uint8_t* pointer;
    __builtin_memcpy(&pointer, from, sizeof pointer);
    return pointer;
}

/* An address that was bound, which is none of NULL. Said here, where it is loaded, compilers remember it. */
static inline uint8_t* ebpf_bound_pointer(const uint64_t* bound) {
    uint8_t* const pointer = ebpf_load_pointer((const uint8_t*)(const void*)bound);
    if (pointer == NULL) __builtin_unreachable();
    return pointer;
}

/* A result of 32 bits, calculated with 32 bits whatever becomes of it. */
static inline uint64_t ebpf_narrow(uint32_t value) {
    __asm__("" : "+r"(value));
    return value;
}

/* Loads and stores at any alignment. Memory that other threads write (map values) is read by load_shared:
 * exactly one access, so that a value which was checked is the value that is used. */
#define EBPF_NATIVE_ACCESS(bits)                                                                   \
    typedef uint##bits##_t __attribute__((may_alias, aligned(1))) ebpf_unaligned##bits;            \
    typedef uint##bits##_t __attribute__((may_alias)) ebpf_aligned##bits;                          \
    static inline uint64_t ebpf_load##bits(const uint8_t* from) {                                  \
        uint##bits##_t value;                                                                      \
        __builtin_memcpy(&value, from, sizeof value);                                              \
        return value;                                                                              \
    }                                                                                              \
    static inline uint64_t ebpf_load_sx##bits(const uint8_t* from) {                               \
        int##bits##_t value;                                                                       \
        __builtin_memcpy(&value, from, sizeof value);                                              \
        return (uint64_t)(int64_t)value;                                                           \
    }                                                                                              \
    static inline uint64_t ebpf_load_shared##bits(const uint8_t* from) {                           \
        return *(const volatile ebpf_unaligned##bits*)(const void*)from;                           \
    }                                                                                              \
    static inline uint64_t ebpf_load_shared_sx##bits(const uint8_t* from) {                        \
        return (uint64_t)(int64_t)(int##bits##_t)ebpf_load_shared##bits(from);                     \
    }                                                                                              \
    static inline void ebpf_store##bits(uint8_t* to, uint64_t value) {                             \
        const uint##bits##_t narrow = (uint##bits##_t)value;                                       \
        __builtin_memcpy(to, &narrow, sizeof narrow);                                              \
    }                                                                                              \
    static inline uint64_t ebpf_load_acquire##bits(const uint8_t* from) {                          \
        return __atomic_load_n((const ebpf_aligned##bits*)(const void*)from, __ATOMIC_ACQUIRE);    \
    }                                                                                              \
    static inline void ebpf_store_release##bits(uint8_t* to, uint64_t value) {                     \
        __atomic_store_n((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_RELEASE); \
    }
EBPF_NATIVE_ACCESS(8)
EBPF_NATIVE_ACCESS(16)
EBPF_NATIVE_ACCESS(32)
EBPF_NATIVE_ACCESS(64)
#undef EBPF_NATIVE_ACCESS

/* Division as RFC 9669 section 4.1 has it: by zero gives 0, the remainder then is the dividend; the least
 * signed value divided by -1 is itself. Atomic operations return the old value; sequentially consistent. */
#define EBPF_NATIVE_ARITHMETIC(bits)                                                                         \
    static inline uint##bits##_t ebpf_div##bits(uint##bits##_t a, uint##bits##_t b) {                        \
        return b == 0 ? 0 : a / b;                                                                           \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_mod##bits(uint##bits##_t a, uint##bits##_t b) {                        \
        return b == 0 ? a : a % b;                                                                           \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_sdiv##bits(uint##bits##_t a, uint##bits##_t b) {                       \
        if (b == 0) return 0;                                                                                \
        if (b == (uint##bits##_t) - 1) return 0 - a;                                                         \
        return (uint##bits##_t)((int##bits##_t)a / (int##bits##_t)b);                                        \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_smod##bits(uint##bits##_t a, uint##bits##_t b) {                       \
        if (b == 0) return a;                                                                                \
        if (b == (uint##bits##_t) - 1) return 0;                                                             \
        return (uint##bits##_t)((int##bits##_t)a % (int##bits##_t)b);                                        \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_add##bits(uint8_t* to, uint64_t value) {                        \
        return __atomic_fetch_add((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_SEQ_CST);  \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_or##bits(uint8_t* to, uint64_t value) {                         \
        return __atomic_fetch_or((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_SEQ_CST);   \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_and##bits(uint8_t* to, uint64_t value) {                        \
        return __atomic_fetch_and((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_SEQ_CST);  \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_xor##bits(uint8_t* to, uint64_t value) {                        \
        return __atomic_fetch_xor((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_SEQ_CST);  \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_xchg##bits(uint8_t* to, uint64_t value) {                       \
        return __atomic_exchange_n((ebpf_aligned##bits*)(void*)to, (uint##bits##_t)value, __ATOMIC_SEQ_CST); \
    }                                                                                                        \
    static inline uint##bits##_t ebpf_atomic_cmpxchg##bits(uint8_t* to, uint64_t expected, uint64_t value) { \
        uint##bits##_t old = (uint##bits##_t)expected;                                                       \
        __atomic_compare_exchange_n((ebpf_aligned##bits*)(void*)to, &old, (uint##bits##_t)value, 0,          \
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                     \
        return old;                                                                                          \
    }
EBPF_NATIVE_ARITHMETIC(32)
EBPF_NATIVE_ARITHMETIC(64)
#undef EBPF_NATIVE_ARITHMETIC

/** Address of an array's value under `index`, or NULL. */
static inline uint8_t* ebpf_array_value(uint8_t* values, uint32_t index, uint32_t entries, uint32_t stride) {
    if (index >= entries) return NULL;
    uint8_t* const value = values + (uint64_t)index * stride;
    /* Spares the program's own test for NULL. */
    if (value == NULL) __builtin_unreachable();
    return value;
}

static inline ebpf_native_helper ebpf_helper(uint64_t bound) {
    return (ebpf_native_helper)(uintptr_t)bound;
}

/** Address of the value under `key`, or NULL; `lookup` and `map` as bound. */
static inline uint8_t* ebpf_map_value(uint64_t lookup, uint64_t map, const uint8_t* key) {
    return ((ebpf_native_lookup)(uintptr_t)lookup)(map, key);
}

/* A word's part in the hash of a key of several words. */
static inline uint64_t ebpf_hash_term(uint64_t word, const uint64_t* seed) {
    return (seed[0] + (word >> 32)) * (seed[1] + (uint32_t)word);
}

/** Address of the value under a key in a hash map, or NULL. `bound`: its table; there are 2^bucket_bits
 * buckets. Keys have 4, or 8 to 24 bytes: `first` are the first 4 or 8, `last` the last 8 if there are more
 * than 8, `middle` the second 8 if there are more than 16. With constants for the last two parameters little
 * of it is left. */
static inline __attribute__((always_inline)) uint8_t* ebpf_hash_value(uint64_t bound, uint64_t first,
                                                                      uint64_t middle, uint64_t last,
                                                                      uint32_t key_bytes,
                                                                      uint32_t bucket_bits) {
    const struct ebpf_native_hash_table* table = (const struct ebpf_native_hash_table*)(uintptr_t)bound;
    const uint64_t* seed = table->seed;
    uint64_t state = 0;
    if (key_bytes <= 8) {
        state = (first ^ seed[0]) * seed[1];
    } else {
        state = ebpf_hash_term(first, seed) + ebpf_hash_term(last, seed + 2);
        if (key_bytes > 16) state += ebpf_hash_term(middle, seed + 4);
    }
    const uint64_t bucket = (state ^ state >> 32) * seed[6] >> (64 - bucket_bits);
    uint64_t reference = ebpf_load_acquire32((const uint8_t*)(table->buckets + bucket));
    while (reference != 0) {
        const uint8_t* element = table->region + reference * 8;
        const uint8_t* there = element + 16;
        uint64_t differs = (key_bytes == 4 ? ebpf_load32(there) : ebpf_load64(there)) ^ first;
        if (key_bytes > 8) differs |= ebpf_load64(there + key_bytes - 8) ^ last;
        if (key_bytes > 16) differs |= ebpf_load64(there + 8) ^ middle;
        if (differs == 0) {
            const uint64_t value = ebpf_address(there + (key_bytes + 7) / 8 * 8);
            /* Spares the program's own test for NULL. */
            if (value == 0) __builtin_unreachable();
            return ebpf_pointer(value);
        }
        reference = ebpf_load_acquire32(element);
    }
    return NULL;
}

static inline const uint8_t* ebpf_packet(uint64_t bound, const struct ebpf_native_invocation* invocation,
                                         int32_t offset, size_t size) {
    return ((ebpf_native_packet_bytes)(uintptr_t)bound)(invocation, offset, size);
}
