/* SPDX-License-Identifier: MIT */
/* Native image ABI: what a shared library made from verified bytecode (bpf2c) exports, and what the runtime
 * hands to its programs. C and C++. The operations that the generated C uses are in native_operations.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Raised with every change of a struct below or of what a field means. The runtime refuses another one. */
#define EBPF_NATIVE_ABI_VERSION 3u
#define EBPF_NATIVE_HASH_BYTES 32
#define EBPF_NATIVE_TAG_BYTES 8

#ifdef _WIN32
#define EBPF_NATIVE_EXPORT __declspec(dllexport)
#else
#define EBPF_NATIVE_EXPORT __attribute__((visibility("default")))
#endif

/** One run of a program, as much of the runtime's own record as programs see. */
struct ebpf_native_invocation {
    void* context; /**< r1 at entry */
    uint64_t r2;   /**< r2 at entry */
    const void* runtime[3];
    uint32_t slot; /**< per-CPU slot */
    uint32_t tail_calls;
    const void* tail_target; /**< not NULL after a tail call that succeeded: return */
    /** How helpers call a function whose address they got; a program that has such sets it. */
    uint64_t (*call_back)(struct ebpf_native_invocation* invocation, uint64_t code, uint64_t r1, uint64_t r2,
                          uint64_t r3, uint64_t r4);
    void* engine_state; /**< the program's own, for call_back */
    const void* task;   /**< the runtime's own */
};

/** A loaded program: the runtime's record, and what the program's bindings came to, in their order. Constant
 * while it runs. */
struct ebpf_native_image {
    uint64_t runtime[16];
#ifndef __cplusplus
    uint64_t bound[];
#endif
};

/** What the runtime puts into an element of `bound`. */
enum ebpf_native_binding_kind {
    EBPF_NATIVE_MAP_HANDLE = 0,   /**< map `number` as helpers take it */
    EBPF_NATIVE_MAP_VALUES = 1,   /**< address of the first value of map `number`, an array */
    EBPF_NATIVE_MAP_LOOKUP = 2,   /**< function (handle, key) that finds a value in map `number` */
    EBPF_NATIVE_HELPER = 3,       /**< helper with id `number` */
    EBPF_NATIVE_PACKET_BYTES = 4, /**< function (invocation, offset, size) that finds bytes of the packet */
    EBPF_NATIVE_MAP_TABLE = 5,    /**< address of the ebpf_native_hash_table of map `number`, a hash map */
};

/** What a lookup in a hash map reads. Constant while the map lives. Buckets hold references to elements:
 * offsets in the region in units of 8 bytes; 0: none. An element is the reference to the next one of its
 * bucket, 12 bytes of the runtime's own, the key, padded to 8 bytes, and the value. */
struct ebpf_native_hash_table {
    const uint32_t* buckets;
    const uint8_t* region;
    uint64_t seed[7];
};

struct ebpf_native_binding {
    uint32_t kind;   /**< enum ebpf_native_binding_kind */
    uint32_t number; /**< index into the program's maps, or id of a helper; else 0 */
    uint32_t slot;   /**< first instruction that needs it, for messages */
};

/** A map that the code was generated for. */
struct ebpf_native_map {
    const char* name;
    uint32_t type;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t flags;
    uint32_t element_stride; /**< arrays: bytes from one value to the next; else 0 */
};

/** Runs a program; returns r0. */
typedef uint64_t (*ebpf_native_entry)(const struct ebpf_native_image* image,
                                      struct ebpf_native_invocation* invocation);

typedef uint64_t (*ebpf_native_helper)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5,
                                       struct ebpf_native_invocation* invocation);
typedef void* (*ebpf_native_lookup)(uint64_t map, const void* key);
typedef const uint8_t* (*ebpf_native_packet_bytes)(const struct ebpf_native_invocation* invocation,
                                                   int64_t offset, size_t size);

struct ebpf_native_program {
    const char* name;
    const char* section;
    uint32_t type;          /**< enum bpf_prog_type */
    uint32_t attach_type;   /**< enum bpf_attach_type */
    uint64_t memory_length; /**< programs on memory: its bytes; else 0 */
    ebpf_native_entry entry;
    const struct ebpf_native_map* maps;
    const struct ebpf_native_binding* bindings;
    uint32_t map_count;
    uint32_t binding_count;
    uint8_t tag[EBPF_NATIVE_TAG_BYTES]; /**< as `ebpfctl prog show` prints it */
    uint8_t
        hash[EBPF_NATIVE_HASH_BYTES]; /**< over all that the code depends on; the runtime computes its own */
};

/** The one symbol that an image exports: `const struct ebpf_native_table ebpf_native_table`. */
struct ebpf_native_table {
    uint32_t version;      /**< EBPF_NATIVE_ABI_VERSION */
    uint32_t size;         /**< of this struct */
    uint32_t program_size; /**< of struct ebpf_native_program */
    uint32_t map_size;     /**< of struct ebpf_native_map */
    uint32_t binding_size; /**< of struct ebpf_native_binding */
    uint32_t program_count;
    const struct ebpf_native_program* programs;
    const char* source; /**< what the image was made from */
};
#define EBPF_NATIVE_TABLE_SYMBOL "ebpf_native_table"

#ifdef __cplusplus
}
#endif
