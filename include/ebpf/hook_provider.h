/* SPDX-License-Identifier: MIT */
/* Extension ABI for hook providers: how a packet hook, a socket hook or a service's own hook meets the
 * runtime. Built-in hooks use it too. Every struct starts with version and size; both sides refuse a version
 * they do not know. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EBPF_HOOK_ABI_VERSION 4u

/** Programs at one attach point, at most. */
#define EBPF_HOOK_MAX_PROGRAMS 64u

/** A thread that invokes; opaque to providers. */
struct ebpf_hook_thread;

/** For whom programs run: what bpf_get_current_pid_tgid(), _uid_gid() and _comm() tell them. */
struct ebpf_task {
    uint64_t pid_tgid; /**< process in the upper half, thread in the lower one */
    uint64_t uid_gid;  /**< group in the upper half, user in the lower one */
    char name[16];     /**< ends with a NUL */
};

/** The runtime's side. Valid from attach() until detach() has returned. `point` is the pointer given to
 * attach(): the programs at that attach point, which may be several and may change at any moment. An
 * invocation sees each program that is replaced meanwhile either old or new, never both. */
struct ebpf_hook_dispatch {
    uint32_t version;
    uint32_t size;
    /** Makes the calling thread known. Returns 0 or a negative errno (-ENOMEM). Any number of threads may
     * enter. */
    int (*thread_enter)(void* point, struct ebpf_hook_thread** thread);
    /** Forgets the thread. Call on the thread that entered, outside a batch, before detach() returns. */
    void (*thread_leave)(struct ebpf_hook_thread* thread);
    /** Brackets invocations: leases a per-CPU slot, and nothing that programs see is freed until batch_end().
     * Keep batches short (one ring block) and wait for nothing inside: there are as many slots as possible
     * CPUs, and when more threads than that are inside batches, batch_begin() waits for one to end. */
    void (*batch_begin)(struct ebpf_hook_thread* thread);
    void (*batch_end)(struct ebpf_hook_thread* thread);
    /** Runs the programs on `context` (the host structure of the program type: ebpf/contexts.h), each on what
     * those before it left. Returns what their results combine to (enum ebpf_combine); of one program r0.
     * Inside a batch, on the thread that began it. */
    uint64_t (*invoke)(void* point, struct ebpf_hook_thread* thread, void* context);
    /** Does what invoke() does for each of `count` contexts, in order; results[i] becomes the result on
     * contexts[i]. Costs less than as many calls. */
    void (*invoke_all)(void* point, struct ebpf_hook_thread* thread, void* const* contexts, uint64_t* results,
                       size_t count);
    /** Says for whom programs that this thread invokes run from now on; NULL: for the thread itself, as at
     * first. `task` must stay valid until something else is said. On the thread that entered. */
    void (*run_for)(struct ebpf_hook_thread* thread, const struct ebpf_task* task);
};

/** Where to attach. Unused fields are zero. Requests of one provider with equal ifindex name one attach
 * point; their flags must be equal, too. */
struct ebpf_attach_request {
    uint32_t version;
    uint32_t size;
    uint32_t attach_type;
    uint32_t ifindex; /**< network interface, in the network namespace of the process that runs the hook */
    uint32_t flags;
};

/** How several programs at one attach point make one result. They run by ascending priority, those of equal
 * priority in the order in which they were attached. The lower 32 bits of results count. */
enum ebpf_combine {
    /** A program runs if the one before it returned one of that one's chain-call actions; the result is what
     * the last one that ran returned. As libxdp's dispatcher does. */
    EBPF_COMBINE_CHAIN = 0,
    /** All run, so that none misses what another one refuses. The result is the first one that is not among
     * the provider's `actions`; if all are, their bitwise or. As Linux does at cgroups. */
    EBPF_COMBINE_ALL = 1,
};

/** A counter that a hook keeps for an attachment. */
struct ebpf_hook_counter {
    char name[32];
    uint64_t value;
};

/** A provider's side. The struct and its functions must stay valid until it is unregistered. Then its links
 * stay, detached, with their programs; when a provider registers that is the same in every field but the
 * pointers, they are attached again. */
struct ebpf_hook_provider {
    uint32_t version;
    uint32_t size;
    const char* name;      /**< "xdp" */
    uint32_t program_type; /**< enum bpf_prog_type */
    uint32_t attach_type;  /**< enum bpf_attach_type */
    uint32_t combine;      /**< enum ebpf_combine */
    uint32_t max_programs; /**< at one attach point: 1 to EBPF_HOOK_MAX_PROGRAMS; 0 counts as 1 */
    /** Results, as bits 0 to 31: EBPF_COMBINE_ALL - those that permit; EBPF_COMBINE_CHAIN - the chain-call
     * actions of programs that name none. */
    uint32_t actions;
    void* provider; /**< handed to the functions */
    /** Starts to invoke at an attach point. Called for the first program there: others join it without a
     * call. On success stores an attachment; otherwise returns a negative errno, having undone all it did,
     * and writes a NUL-terminated reason to `reason` (of `reason_bytes`). May block; called outside epochs.
     */
    int (*attach)(void* provider, const struct ebpf_attach_request* request,
                  const struct ebpf_hook_dispatch* dispatch, void* point, void** attachment, char* reason,
                  size_t reason_bytes);
    /** Stops invoking, as the last program leaves: when it returns no invocation runs or follows and the host
     * is as before attach(). */
    void (*detach)(void* provider, void* attachment);
    /** Writes up to `capacity` counters, returns how many there are. May be NULL. Any thread, never during or
     * after detach(); must be quick and must not call the context. */
    size_t (*counters)(void* provider, void* attachment, struct ebpf_hook_counter* counters, size_t capacity);
};

#ifdef __cplusplus
}
#endif
