// SPDX-License-Identifier: MIT
// The contract between the relay in dgram.c and programs for it: both include this file.
#pragma once

// A datagram on its way. What of it programs may read and write is said in dgram.c.
struct dgram {
    unsigned char* data;  // compare an address in it with data_end before you use it
    unsigned char* data_end;
    unsigned int uid;  // who sends it, as the kernel says; bpf_get_current_uid_gid() tells the same
    unsigned int gid;
    unsigned int pid;
    unsigned int relay;  // number of the relay
    unsigned int room;   // the relay's own: bytes that the datagram may have
    unsigned int unused;
};

// What a program returns.
#define DGRAM_DROP 0
#define DGRAM_PASS 1  // the next program decides; after the last one the datagram is sent on

#define DGRAM_HELPER_RESIZE 0x1000000
#ifdef __bpf__
// Cuts the datagram, or makes it longer by zeroes; returns 0, or -90 (EMSGSIZE) if there is no room.
// Addresses in the data are to be compared with the end again.
static long (*dgram_resize)(struct dgram* dgram, unsigned long long bytes) = (void*)DGRAM_HELPER_RESIZE;
#endif
