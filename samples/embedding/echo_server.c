/* SPDX-License-Identifier: MIT */
/* A UDP echo server on loopback that asks a BPF program about each datagram, through the C ABI.
 *
 *   echo_server PROGRAM.o COUNT    serves COUNT datagrams, says what the program summed up, and ends */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ebpf/embed.h"
#include "echo_hook.h"

static uint64_t echo_sum(uint64_t bytes, uint64_t size, uint64_t a, uint64_t b, uint64_t c,
                         struct ebpf_invocation* invocation) {
    (void)a, (void)b, (void)c, (void)invocation;
    const unsigned char* byte = (const unsigned char*)(uintptr_t)bytes;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < size; ++i) sum += byte[i];
    return sum;
}

/* What programs see of struct echo_datagram, and what they may call. */
static const struct ebpf_context_field fields[] = {
    EBPF_WRITABLE_DATA(struct echo_datagram, data),
    EBPF_DATA_END(struct echo_datagram, data_end),
    EBPF_NUMBER(struct echo_datagram, number),
    EBPF_WRITABLE_NUMBER(struct echo_datagram, repeats),
};
static const struct ebpf_helper helpers[] = {
    {"echo_sum", ECHO_HELPER_SUM, 0, echo_sum, {EBPF_ARGUMENT_READ_MEMORY, EBPF_ARGUMENT_SIZE, 0, 0, 0}},
};
static const struct ebpf_program_type echo_type = {
    EBPF_PROGRAM_TYPE_HEAD,
    .name = "echo",
    .context_name = "echo_datagram",
    .context_bytes = sizeof(struct echo_datagram),
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .helpers = helpers,
    .helper_count = sizeof(helpers) / sizeof(helpers[0]),
    .return_min = ECHO_DROP,
    .return_max = ECHO_SEND,
};

static char reason[EBPF_REASON_BYTES];

static void check(int code, const char* what) {
    if (code == 0) return;
    fprintf(stderr, "echo_server: %s: %s\n", what, reason);
    exit(1);
}

static void serve(int socket, unsigned number, struct ebpf_hook* hook, struct ebpf_hook_thread* thread) {
    unsigned char bytes[1500];
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof(from);
    const ssize_t got = recvfrom(socket, bytes, sizeof(bytes), 0, (struct sockaddr*)&from, &from_bytes);
    if (got < 0) return;
    struct echo_datagram datagram = {bytes, bytes + got, number, 1};
    if (ebpf_run(hook, thread, &datagram) == ECHO_DROP) return;
    for (unsigned i = 0; i < datagram.repeats; ++i)
        sendto(socket, bytes, (size_t)got, 0, (struct sockaddr*)&from, from_bytes);
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: echo_server PROGRAM.o COUNT\n");
        return 2;
    }
    struct ebpf_context* context;
    struct ebpf_hook* hook;
    struct ebpf_object* object;
    struct ebpf_map* sum;
    struct ebpf_hook_thread* thread;
    check(ebpf_context_create(NULL, &context, reason, sizeof(reason)), "context");
    check(ebpf_hook_define(context, &echo_type, ECHO_SEND, &hook, reason, sizeof(reason)), "hook");
    check(ebpf_object_open(context, argv[1], &object, reason, sizeof(reason)), argv[1]);
    check(ebpf_hook_attach(hook, object, NULL, reason, sizeof(reason)), "attaching");
    check(ebpf_map_open(object, "sum", &sum, reason, sizeof(reason)), "map");
    check(ebpf_thread_enter(context, &thread), "thread");

    const int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    if (bind(socket_, (struct sockaddr*)&address, bytes) != 0 ||
        getsockname(socket_, (struct sockaddr*)&address, &bytes) != 0) {
        perror("echo_server: loopback");
        return 1;
    }
    printf("port %u\n", ntohs(address.sin_port));
    fflush(stdout);
    const unsigned count = (unsigned)atoi(argv[2]);
    for (unsigned i = 1; i <= count; ++i) serve(socket_, i, hook, thread);

    uint64_t total = 0;
    const uint32_t first = 0;
    check(ebpf_map_lookup(sum, &first, &total), "sum");
    struct ebpf_hook_counts statistics = {EBPF_EMBED_ABI_VERSION, sizeof(statistics), 0, 0, 0, 0};
    check(ebpf_hook_statistics(hook, &statistics), "statistics");
    printf("runs %llu sum %llu\n", (unsigned long long)statistics.run_count, (unsigned long long)total);

    close(socket_);
    ebpf_thread_leave(thread);
    ebpf_map_close(sum);
    ebpf_hook_detach(hook);
    ebpf_object_close(object);
    ebpf_context_destroy(context);
    return 0;
}
