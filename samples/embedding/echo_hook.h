// SPDX-License-Identifier: MIT
// The contract between echo_server.c and its users' programs.
#pragma once

struct echo_datagram {
    unsigned char* data;
    unsigned char* data_end;
    unsigned int number;   // of the datagram, from 1
    unsigned int repeats;  // how often it is sent back; programs may change it
};

#define ECHO_DROP 0
#define ECHO_SEND 1

#define ECHO_HELPER_SUM 0x1000000
#ifdef __bpf__
// Returns the sum of the bytes.
static long (*echo_sum)(const void* bytes, unsigned long long size) = (void*)ECHO_HELPER_SUM;
#endif
