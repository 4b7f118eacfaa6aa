// SPDX-License-Identifier: MIT
// An extension: relays for Unix datagrams, in front of services that receive such (log daemons, for example).
// Relay N receives at FOLDER/N and sends what its programs pass on to FOLDER/N.to. FOLDER is what the
// environment variable DGRAM_FOLDER says, or /run/dgram. A relay is there as long as programs are attached to
// it.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dgram_hook.h"
#include "ebpf/extension.h"

// ---- The program type: this is all that programs are verified against. ----

static const struct ebpf_context_field fields[] = {
    EBPF_WRITABLE_DATA(struct dgram, data), EBPF_DATA_END(struct dgram, data_end),
    EBPF_NUMBER(struct dgram, uid),         EBPF_NUMBER(struct dgram, gid),
    EBPF_NUMBER(struct dgram, pid),         EBPF_NUMBER(struct dgram, relay),
};

// The helper dgram_resize() of dgram_hook.h. In a test run `room` is 0: data can only be cut then.
static uint64_t resize(uint64_t context, uint64_t bytes, uint64_t unused3, uint64_t unused4, uint64_t unused5,
                       struct ebpf_invocation* invocation) {
    (void)unused3, (void)unused4, (void)unused5, (void)invocation;
    struct dgram* dgram = (struct dgram*)(uintptr_t)context;
    const size_t now = (size_t)(dgram->data_end - dgram->data);
    if (bytes > now) {
        if (bytes > dgram->room) return (uint64_t)-EMSGSIZE;
        memset(dgram->data_end, 0, bytes - now);
    }
    dgram->data_end = dgram->data + bytes;
    return 0;
}

static const struct ebpf_helper helpers[] = {
    {
        .name = "dgram_resize",
        .id = DGRAM_HELPER_RESIZE,
        .flags = EBPF_HELPER_MOVES_DATA,
        .function = resize,
        .arguments = {EBPF_ARGUMENT_CONTEXT, EBPF_ARGUMENT_NUMBER},
    },
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct ebpf_program_type type = {
    EBPF_PROGRAM_TYPE_HEAD,
    .name = "dgram",
    .context_name = "dgram",
    .context_bytes = sizeof(struct dgram),
    .field_count = COUNT_OF(fields),
    .fields = fields,
    .helpers = helpers,
    .helper_count = COUNT_OF(helpers),
    .flags = EBPF_PROGRAM_TYPE_TEST_RUNS,
    .return_min = DGRAM_DROP,
    .return_max = DGRAM_PASS,
};

// ---- The hook: a relay with its thread for each place where programs are attached. ----

enum { MOST_BYTES = 65536 };
enum counter { RECEIVED, PASSED, DROPPED, LOST, COUNTERS };

struct relay {
    const struct ebpf_hook_dispatch* dispatch;
    void* point;
    unsigned int number;
    int socket;  // receives; what is sent on leaves from it
    int stop;    // an eventfd: readable when the thread is to end
    pthread_t thread;
    sem_t started;
    int error;  // why the thread cannot work, before `started`
    atomic_ullong counters[COUNTERS];
    struct sockaddr_un here;
    struct sockaddr_un there;
    unsigned char buffer[MOST_BYTES];
};

static void add(struct relay* relay, enum counter counter) {
    atomic_fetch_add_explicit(&relay->counters[counter], 1, memory_order_relaxed);
}

// Receives a datagram; false if there is none.
static bool receive(struct relay* relay, struct dgram* dgram) {
    union {
        struct cmsghdr aligned;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec part = {relay->buffer, sizeof(relay->buffer)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    const ssize_t got = recvmsg(relay->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return false;
    add(relay, RECEIVED);
    const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    struct ucred sender;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || header == NULL ||
        header->cmsg_type != SCM_CREDENTIALS) {
        add(relay, LOST);
        return false;
    }
    memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    *dgram = (struct dgram){.data = relay->buffer,
                            .data_end = relay->buffer + got,
                            .uid = sender.uid,
                            .gid = sender.gid,
                            .pid = (unsigned int)sender.pid,
                            .relay = relay->number,
                            .room = sizeof(relay->buffer)};
    return true;
}

// Lets the programs decide, as if the sender ran them.
static bool is_passed(struct relay* relay, struct ebpf_hook_thread* thread, struct dgram* dgram) {
    const struct ebpf_task sender = {.pid_tgid = (uint64_t)dgram->pid << 32 | dgram->pid,
                                     .uid_gid = (uint64_t)dgram->gid << 32 | dgram->uid};
    relay->dispatch->run_for(thread, &sender);
    relay->dispatch->batch_begin(thread);
    const uint64_t result = relay->dispatch->invoke(relay->point, thread, dgram);
    relay->dispatch->batch_end(thread);
    relay->dispatch->run_for(thread, NULL);
    return (uint32_t)result == DGRAM_PASS;
}

static void send_on(struct relay* relay, const struct dgram* dgram) {
    const size_t bytes = (size_t)(dgram->data_end - dgram->data);
    const ssize_t sent = sendto(relay->socket, dgram->data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL,
                                (const struct sockaddr*)&relay->there, sizeof(relay->there));
    add(relay, sent < 0 ? LOST : PASSED);
}

static void* work(void* argument) {
    struct relay* relay = argument;
    struct ebpf_hook_thread* thread = NULL;
    relay->error = relay->dispatch->thread_enter(relay->point, &thread);
    const bool works = relay->error == 0;
    sem_post(&relay->started);
    if (!works) return NULL;
    struct pollfd ready[] = {{.fd = relay->socket, .events = POLLIN}, {.fd = relay->stop, .events = POLLIN}};
    while (ready[1].revents == 0) {
        if (poll(ready, COUNT_OF(ready), -1) < 0 || ready[0].revents == 0) continue;
        struct dgram dgram;
        if (!receive(relay, &dgram)) continue;
        if (is_passed(relay, thread, &dgram)) {
            send_on(relay, &dgram);
        } else {
            add(relay, DROPPED);
        }
    }
    relay->dispatch->thread_leave(thread);
    return NULL;
}

static bool set_address(struct sockaddr_un* address, unsigned int number, const char* suffix) {
    const char* folder = getenv("DGRAM_FOLDER");
    address->sun_family = AF_UNIX;
    const int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%u%s",
                                folder == NULL ? "/run/dgram" : folder, number, suffix);
    return length > 0 && (size_t)length < sizeof(address->sun_path);
}

// A process that was killed leaves its socket behind: nobody receives there any more.
static bool is_left_behind(const struct sockaddr_un* address) {
    const int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int result = connect(probe, (const struct sockaddr*)address, sizeof(*address));
    const bool is_refused = result != 0 && errno == ECONNREFUSED;
    if (probe >= 0) close(probe);
    return is_refused;
}

static int listen_here(struct relay* relay) {
    const struct sockaddr* here = (const struct sockaddr*)&relay->here;
    const int on = 1;
    if (setsockopt(relay->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) return -errno;
    if (bind(relay->socket, here, sizeof(relay->here)) == 0) return 0;
    const int error = -errno;
    if (error != -EADDRINUSE || !is_left_behind(&relay->here)) return error;
    unlink(relay->here.sun_path);
    return bind(relay->socket, here, sizeof(relay->here)) == 0 ? 0 : -errno;
}

static int start(struct relay* relay) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failure = pthread_create(&relay->thread, NULL, work, relay);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) return -failure;
    while (sem_wait(&relay->started) != 0) {
    }
    if (relay->error != 0) pthread_join(relay->thread, NULL);
    return relay->error;
}

static void free_relay(struct relay* relay) {
    if (relay->socket >= 0) close(relay->socket);
    if (relay->stop >= 0) close(relay->stop);
    sem_destroy(&relay->started);
    free(relay);
}

static int attach(void* provider, const struct ebpf_attach_request* request,
                  const struct ebpf_hook_dispatch* dispatch, void* point, void** attachment, char* reason,
                  size_t reason_bytes) {
    (void)provider;
    struct relay* relay = calloc(1, sizeof(*relay));
    if (relay == NULL) return -ENOMEM;
    sem_init(&relay->started, 0, 0);
    relay->dispatch = dispatch;
    relay->point = point;
    relay->number = request->ifindex;
    relay->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    relay->stop = eventfd(0, EFD_CLOEXEC);
    int error = relay->socket < 0 || relay->stop < 0 ? -errno : 0;
    if (error == 0 &&
        (!set_address(&relay->here, relay->number, "") || !set_address(&relay->there, relay->number, ".to")))
        error = -ENAMETOOLONG;
    if (error == 0) error = listen_here(relay);
    if (error == 0) {
        error = start(relay);
        if (error != 0) unlink(relay->here.sun_path);
    }
    if (error == 0) {
        *attachment = relay;
        return 0;
    }
    snprintf(reason, reason_bytes, "relay %u: '%s': %s", relay->number, relay->here.sun_path,
             strerror(-error));
    free_relay(relay);
    return error;
}

static void detach(void* provider, void* attachment) {
    (void)provider;
    struct relay* relay = attachment;
    eventfd_write(relay->stop, 1);
    pthread_join(relay->thread, NULL);
    unlink(relay->here.sun_path);
    free_relay(relay);
}

static size_t counters(void* provider, void* attachment, struct ebpf_hook_counter* rows, size_t capacity) {
    (void)provider;
    static const char* const names[COUNTERS] = {"received", "passed", "dropped", "lost"};
    const struct relay* relay = attachment;
    for (size_t i = 0; i < COUNTERS && i < capacity; ++i) {
        rows[i] = (struct ebpf_hook_counter){.value = atomic_load(&relay->counters[i])};
        strncpy(rows[i].name, names[i], sizeof(rows[i].name) - 1);
    }
    return COUNTERS;
}

static const struct ebpf_hook_provider provider = {
    .version = EBPF_HOOK_ABI_VERSION,
    .size = sizeof(struct ebpf_hook_provider),
    .name = "dgram",
    .combine = EBPF_COMBINE_CHAIN,
    .max_programs = 8,
    .actions = 1U << DGRAM_PASS,
    .attach = attach,
    .detach = detach,
    .counters = counters,
};

// ---- The extension. ----

static const struct ebpf_program_type* const types[] = {&type};
static const struct ebpf_extension_hook hooks[] = {{.program_type = "dgram", .provider = &provider}};

const struct ebpf_extension* ebpf_extension_entry(void) {
    static const struct ebpf_extension extension = {
        EBPF_EXTENSION_HEAD,
        .name = "dgram",
        .types = types,
        .hooks = hooks,
        .type_count = COUNT_OF(types),
        .hook_count = COUNT_OF(hooks),
    };
    return &extension;
}
