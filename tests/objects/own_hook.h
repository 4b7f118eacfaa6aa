/* SPDX-License-Identifier: MIT */
/* The hook of own_hook.c, for programs and test. */
#pragma once

struct probe {
    unsigned char* data;
    unsigned char* data_end;
    unsigned int number; /* read-only */
    unsigned int answer;
};

#define PROBE_CALLED 0x1000005
#ifdef __bpf__
/* Counts the call; returns 7. */
static long (*probe_called)(struct probe* probe, unsigned long long number, const void* bytes,
                            unsigned long long size) = (void*)PROBE_CALLED;
#endif
