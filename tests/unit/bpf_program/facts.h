/* SPDX-License-Identifier: MIT */
/* A number that a header states. facts.c is compiled twice: with our headers and with the system's. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fact {
    const char* name;
    long long value;
};

/** Each returns its facts, in the same order, and their number. */
const struct fact* facts_of_ours(size_t* count);
const struct fact* facts_of_linux(size_t* count);

#ifdef __cplusplus
}
#endif
