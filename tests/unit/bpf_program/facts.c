// SPDX-License-Identifier: MIT
// FACTS_FUNCTION names the function that this compilation defines; the include path decides whose headers it
// reads.
#include "facts.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// The bytes of an object in which only the bit field is set: says where its bits are.
static long long bits_of(const void* object, size_t bytes) {
    unsigned long long value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value * 31 + ((const unsigned char*)object)[i];
    return (long long)value;
}

const struct fact* FACTS_FUNCTION(size_t* count) {
    static struct fact facts[1024];
    size_t next = 0;
#define ADD(text, number) facts[next++] = (struct fact){text, (long long)(number)};
#define FACT(expression) ADD(#expression, expression)
#define FIELD(type, field)                                    \
    ADD("offset of " #type " " #field, offsetof(type, field)) \
    ADD("size of " #type " " #field, sizeof(((type*)0)->field))
#define BITS(type, field)                                                  \
    {                                                                      \
        type object = {.field = 1};                                        \
        ADD("bits of " #type " " #field, bits_of(&object, sizeof(object))) \
    }
#include "facts.def"
    *count = next;
    return facts;
}
