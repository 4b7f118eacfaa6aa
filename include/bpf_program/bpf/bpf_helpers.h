/* SPDX-License-Identifier: MIT */
/* Sections, map definitions and helper functions for BPF programs, by the names that programs for Linux use.
 */
#pragma once

#include <linux/types.h>

#include "bpf_helper_defs.h"

/* Puts a function or variable into the ELF section `name`, which says what it is. */
#define SEC(name) __attribute__((section(name), used))

/* Members of a map definition: a number is the length of an array type, a type is what a pointer points to.
 */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val)* name
#define __array(name, val) typeof(val)* name[]

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#define __hidden __attribute__((visibility("hidden")))

#ifndef NULL
#define NULL ((void*)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#ifndef container_of
#define container_of(ptr, type, member) ((type*)((char*)(ptr) - offsetof(type, member)))
#endif

/* Keeps the compiler from moving memory accesses across, or from knowing a variable's value. */
#ifndef barrier
#define barrier() __asm__ volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(var) __asm__ volatile("" : "+r"(var))
#endif

/* Value of `pinning` in a map definition. */
enum libbpf_pin_type {
    LIBBPF_PIN_NONE = 0,
    LIBBPF_PIN_BY_NAME = 1,
};

/* Formats a line for the trace log, with at most three arguments. Arguments that are left out are passed as
 * 0: the helper takes five registers, and the verifier lets none be passed that holds nothing. */
#define bpf_printk(format, arguments...)                                                               \
    EBPF_PRINTK_PICK(format, ##arguments, EBPF_PRINTK_3, EBPF_PRINTK_2, EBPF_PRINTK_1, EBPF_PRINTK_0)( \
        format, ##arguments)
#define EBPF_PRINTK_PICK(format, a, b, c, name, ...) name
#define EBPF_PRINTK_0(format) EBPF_PRINTK_3(format, 0, 0, 0)
#define EBPF_PRINTK_1(format, a) EBPF_PRINTK_3(format, a, 0, 0)
#define EBPF_PRINTK_2(format, a, b) EBPF_PRINTK_3(format, a, b, 0)
#define EBPF_PRINTK_3(format, a, b, c)                                                 \
    ({                                                                                 \
        static const char bpf_printk_format[] = format;                                \
        bpf_trace_printk(bpf_printk_format, sizeof(bpf_printk_format), (a), (b), (c)); \
    })
