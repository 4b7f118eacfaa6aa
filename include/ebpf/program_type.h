/* SPDX-License-Identifier: MIT */
/* Extension ABI for program types of one's own: the context structure that programs get, the helpers that
 * they may call, and the section name that they are written under. Programs are verified against exactly
 * this. C and C++.
 *
 * The host fills in the very structure that programs read: one header with it serves both. A field of it that
 * is not described here is the host's own, programs cannot touch it. Data must not overlap
 * the structure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EBPF_PROGRAM_TYPE_ABI_VERSION 1u

/** First id of helpers of one's own; Linux's are below. They are numbered for each program type by itself. */
#define EBPF_FIRST_OWN_HELPER 0x1000000u

enum ebpf_field_kind {
    EBPF_FIELD_KIND_NUMBER = 1, /**< 1, 2, 4 or 8 bytes, aligned */
    EBPF_FIELD_KIND_DATA = 2,   /**< address of the first byte of the data; at most one field */
    EBPF_FIELD_KIND_DATA_END =
        3, /**< address behind its last byte; exactly if there is one of the kind above */
};

/** What programs may do with a field or with the data besides reading. */
#define EBPF_FIELD_WRITABLE 1u

/** A field of the context structure. */
struct ebpf_context_field {
    const char* name;
    uint32_t offset; /**< in bytes */
    uint32_t size;
    uint32_t kind;  /**< enum ebpf_field_kind */
    uint32_t flags; /**< EBPF_FIELD_WRITABLE or 0; of EBPF_FIELD_KIND_DATA: the data, not its address */
};

#ifdef __cplusplus
#define EBPF_MEMBER_BYTES(type, member) sizeof(static_cast<type*>(nullptr)->member)
#else
#define EBPF_MEMBER_BYTES(type, member) sizeof(((type*)0)->member)
#endif
#define EBPF_CONTEXT_FIELD(type, member, kind, flags) \
    {#member, offsetof(type, member), EBPF_MEMBER_BYTES(type, member), kind, flags}
/** A number that programs read. */
#define EBPF_NUMBER(type, member) EBPF_CONTEXT_FIELD(type, member, EBPF_FIELD_KIND_NUMBER, 0u)
/** A number that programs read and write; the host sees what they wrote. */
#define EBPF_WRITABLE_NUMBER(type, member) \
    EBPF_CONTEXT_FIELD(type, member, EBPF_FIELD_KIND_NUMBER, EBPF_FIELD_WRITABLE)
/** The two ends of a buffer. Programs compare an address in it with its end before they use it, as in XDP. */
#define EBPF_DATA(type, member) EBPF_CONTEXT_FIELD(type, member, EBPF_FIELD_KIND_DATA, 0u)
#define EBPF_WRITABLE_DATA(type, member) \
    EBPF_CONTEXT_FIELD(type, member, EBPF_FIELD_KIND_DATA, EBPF_FIELD_WRITABLE)
#define EBPF_DATA_END(type, member) EBPF_CONTEXT_FIELD(type, member, EBPF_FIELD_KIND_DATA_END, 0u)

/** What a helper takes in an argument register. What programs pass was checked when they were loaded. */
enum ebpf_argument_kind {
    EBPF_ARGUMENT_NONE = 0,
    EBPF_ARGUMENT_NUMBER = 1,       /**< any number */
    EBPF_ARGUMENT_CONTEXT = 2,      /**< the program's context: the structure that the host filled in */
    EBPF_ARGUMENT_READ_MEMORY = 3,  /**< address of bytes that may be read; the next argument is their size */
    EBPF_ARGUMENT_WRITE_MEMORY = 4, /**< address of bytes to be written, all of them; then their size */
    EBPF_ARGUMENT_SIZE = 5,         /**< size of the memory before it; may be 0, and the address null then */
    EBPF_ARGUMENT_SIZE_NON_ZERO = 6,
};

/** One run of a program; opaque. */
struct ebpf_invocation;

/** A helper: the argument registers, those not declared hold anything; returns a number. Called on the thread
 * that invoked the program; it must not wait for anything, throw, or call functions of the context. */
typedef uint64_t (*ebpf_helper_function)(uint64_t argument1, uint64_t argument2, uint64_t argument3,
                                         uint64_t argument4, uint64_t argument5,
                                         struct ebpf_invocation* invocation);

/** The program must compare addresses in the data with its end anew: the helper changes the context's ends.
 */
#define EBPF_HELPER_MOVES_DATA 1u

struct ebpf_helper {
    const char* name; /**< as programs call it */
    uint32_t id;      /**< EBPF_FIRST_OWN_HELPER or above */
    uint32_t flags;   /**< EBPF_HELPER_MOVES_DATA or 0 */
    ebpf_helper_function function;
    uint32_t arguments[5]; /**< enum ebpf_argument_kind */
};

/** Programs may be run on data that is given with a request (`ebpfctl prog run`): all of the context but the
 * ends of that data is 0 then, also what is the host's own, and helpers are fine with that. */
#define EBPF_PROGRAM_TYPE_TEST_RUNS 1u

/** A program type. Names are C identifiers, and copied. */
struct ebpf_program_type {
    uint32_t version;     /**< EBPF_PROGRAM_TYPE_ABI_VERSION */
    uint32_t size;        /**< of this struct */
    uint32_t field_size;  /**< of struct ebpf_context_field */
    uint32_t helper_size; /**< of struct ebpf_helper */
    const char* name;
    const char*
        section; /**< programs are those of sections "NAME" and "NAME/..."; NULL: as the type's name */
    const char* context_name; /**< of the structure in programs */
    uint32_t context_bytes;
    uint32_t field_count;
    const struct ebpf_context_field* fields;
    const struct ebpf_helper* helpers;
    uint32_t helper_count;
    uint32_t flags;     /**< EBPF_PROGRAM_TYPE_TEST_RUNS or 0 */
    int64_t return_min; /**< what programs may return; return_min > return_max: anything */
    int64_t return_max;
};
/** Starts a struct ebpf_program_type. */
#define EBPF_PROGRAM_TYPE_HEAD                                                                          \
    EBPF_PROGRAM_TYPE_ABI_VERSION, sizeof(struct ebpf_program_type), sizeof(struct ebpf_context_field), \
        sizeof(struct ebpf_helper)

#ifdef __cplusplus
}
#endif
