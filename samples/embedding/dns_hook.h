// SPDX-License-Identifier: MIT
// The contract between dns_server.cpp and the programs that its users write: both include this file.
#pragma once

// What a program is told about a query. The types have one size everywhere, and the server fills in the very
// structure that programs read. What of it programs may read and write is said in dns_server.cpp.
struct dns_query {
    unsigned char* data;  // the query's bytes: compare an address in it with data_end before you read it
    unsigned char* data_end;
    unsigned int source;         // IPv4 address that asks, network byte order
    unsigned short source_port;  // host byte order
    unsigned short type;         // 1: an address is asked for
    unsigned int answer;         // IPv4 address to answer with, network byte order; programs may change it
};

// What a program returns.
#define DNS_ANSWER 0
#define DNS_REFUSE 1  // answer with the code REFUSED
#define DNS_DROP 2    // do not answer

#define DNS_NAME_BYTES 64

// Helpers, which are functions of the server. Programs call them by number, as they call
// bpf_map_lookup_elem().
#define DNS_HELPER_NAME 0x1000000
#ifdef __bpf__
// Writes the name asked for to `name`, in lower case, with zeroes behind it; returns its length.
static long (*dns_name)(struct dns_query* query, char* name,
                        unsigned long long size) = (void*)DNS_HELPER_NAME;
#endif
