/* SPDX-License-Identifier: MIT */
/* Embedding ABI: an execution context inside a service, with hooks of the service's own. Link with the
 * library `ebpf`. C and C++; ebpf/embed.hpp puts C++ classes on top.
 *
 *   context   programs, maps and hooks; nothing of it is shared with another context
 *   hook      a program type (ebpf/program_type.h) and the place where the service runs programs of it
 *   object    an object file that was loaded: its programs, verified, and its maps
 *
 * Functions that can fail return 0 or a negative errno with Linux's numbers, on every host, and write text to
 * `reason` (NUL-terminated, cut to reason_bytes; may be NULL with 0 bytes): what failed, on what, with
 * numbers. -EACCES: the verifier refused a program, `reason` says why. EBPF_REASON_BYTES are enough for most
 * texts.
 *
 * Threads: all functions may be called by any thread, unless said otherwise; those of a thread's struct
 * ebpf_hook_thread by that thread only. No function but ebpf_invoke() and ebpf_invoke_all() may be called
 * inside a batch or by a helper. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ebpf/program_type.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && !defined(_WIN32)
#define EBPF_EMBED_API __attribute__((visibility("default")))
#else
#define EBPF_EMBED_API
#endif

/** Version of the structs below. */
#define EBPF_EMBED_ABI_VERSION 1u
#define EBPF_REASON_BYTES 4096

struct ebpf_context;
struct ebpf_hook;
struct ebpf_object;
struct ebpf_map;
struct ebpf_hook_thread;

/* ---- contexts ---- */

/** Programs are interpreted: no machine code is made. */
#define EBPF_CONTEXT_INTERPRET 1u

struct ebpf_context_options {
    uint32_t version;  /**< EBPF_EMBED_ABI_VERSION */
    uint32_t size;     /**< of this struct */
    uint32_t flags;    /**< EBPF_CONTEXT_INTERPRET or 0 */
    uint32_t reserved; /**< 0 */
    /** Takes lines of bpf_printk(), without a NUL. Called by threads that run programs: it must not wait or
     * call the context. NULL: lines are dropped. */
    void (*trace)(void* owner, const char* text, size_t bytes);
    void* trace_owner;
};

/** Makes a context; `options` may be NULL. */
EBPF_EMBED_API int ebpf_context_create(const struct ebpf_context_options* options,
                                       struct ebpf_context** context, char* reason, size_t reason_bytes);
/** Frees the context with its hooks. Requires: its objects, maps and threads are gone; no other call is under
 * way. NULL does nothing. */
EBPF_EMBED_API void ebpf_context_destroy(struct ebpf_context* context);
/** Measures run times from now on (a clock is read twice a run), or no longer. Runs are always counted. */
EBPF_EMBED_API void ebpf_context_measure_times(struct ebpf_context* context, int is_wanted);
/** Lets `ebpfctl --context unix:PATH` see and change the context, for the service's own user and root. Once
 * for each context; ends with it. -EOPNOTSUPP where there are no Unix sockets. */
EBPF_EMBED_API int ebpf_context_serve(struct ebpf_context* context, const char* path, char* reason,
                                      size_t reason_bytes);

/** Loads an extension (ebpf/extension.h) from the file at an absolute `path`, which only root and the
 * process's user may be able to write. Programs for its hooks are loaded and attached by clients, see
 * ebpf_context_serve(). -EPROTO: `reason` says which version was found and which is wanted; -EOPNOTSUPP on
 * Windows. */
EBPF_EMBED_API int ebpf_context_load_extension(struct ebpf_context* context, const char* path, char* reason,
                                               size_t reason_bytes);
/** Takes the extension's hooks away; programs stay. -ENOENT: none has the name. */
EBPF_EMBED_API int ebpf_context_unload_extension(struct ebpf_context* context, const char* name, char* reason,
                                                 size_t reason_bytes);

/* ---- hooks ---- */

/** Defines a hook for programs of `type`, whose description is copied; its helpers must stay where they are.
 * Hooks end with their context. `result` is what invoking gives while no program is attached. -EINVAL:
 * `reason` names the field or helper that is wrong; -EPROTO: versions or sizes of structs are not those of
 * this library. */
EBPF_EMBED_API int ebpf_hook_define(struct ebpf_context* context, const struct ebpf_program_type* type,
                                    uint64_t result, struct ebpf_hook** hook, char* reason,
                                    size_t reason_bytes);
/** Attaches the program `name` of `object` (NULL: its only one), or puts it in the place of the one that is
 * attached: each invocation runs the old or the new one, those that begin after the return the new one. The
 * program stays as long as it is attached, also without its object. */
EBPF_EMBED_API int ebpf_hook_attach(struct ebpf_hook* hook, const struct ebpf_object* object,
                                    const char* name, char* reason, size_t reason_bytes);
/** Takes the program away; when it returns, no invocation runs it. -ENOENT: none is attached. */
EBPF_EMBED_API int ebpf_hook_detach(struct ebpf_hook* hook);

struct ebpf_hook_counts {
    uint32_t version;    /**< EBPF_EMBED_ABI_VERSION, by the caller */
    uint32_t size;       /**< of this struct, by the caller */
    uint32_t program_id; /**< of the attached program; 0: none, and all is 0 */
    uint32_t reserved;
    uint64_t run_count;   /**< of that program */
    uint64_t run_time_ns; /**< while times were measured */
};
EBPF_EMBED_API int ebpf_hook_statistics(struct ebpf_hook* hook, struct ebpf_hook_counts* statistics);

/* ---- running programs ---- */

/** Makes the calling thread known. */
EBPF_EMBED_API int ebpf_thread_enter(struct ebpf_context* context, struct ebpf_hook_thread** thread);
EBPF_EMBED_API void ebpf_thread_leave(struct ebpf_hook_thread* thread);

/** Runs the hook's program on `argument`, the structure of its type; returns what it returns. */
EBPF_EMBED_API uint64_t ebpf_run(struct ebpf_hook* hook, struct ebpf_hook_thread* thread, void* argument);
/** The same for each of `count` structures, at less cost: results[i] is that for arguments[i]. */
EBPF_EMBED_API void ebpf_run_all(struct ebpf_hook* hook, struct ebpf_hook_thread* thread,
                                 void* const* arguments, uint64_t* results, size_t count);

/** ebpf_run() in parts, for services that handle several events at a time: invocations between begin and end
 * of a batch cost least. Batches must be short, and wait for nothing: there are as many slots as CPUs, and
 * nothing that programs may see is freed meanwhile. */
EBPF_EMBED_API void ebpf_batch_begin(struct ebpf_hook_thread* thread);
EBPF_EMBED_API void ebpf_batch_end(struct ebpf_hook_thread* thread);
EBPF_EMBED_API uint64_t ebpf_invoke(struct ebpf_hook* hook, struct ebpf_hook_thread* thread, void* argument);
EBPF_EMBED_API void ebpf_invoke_all(struct ebpf_hook* hook, struct ebpf_hook_thread* thread,
                                    void* const* arguments, uint64_t* results, size_t count);

/* ---- objects and maps ---- */

/** Reads an object file as clang makes it for BPF, creates its maps and verifies all its programs. Hooks must
 * have been defined before: their section names tell what a program is for. -EACCES: a program was refused.
 */
EBPF_EMBED_API int ebpf_object_open(struct ebpf_context* context, const char* path,
                                    struct ebpf_object** object, char* reason, size_t reason_bytes);
/** The same for a file's bytes; `name` is for messages. */
EBPF_EMBED_API int ebpf_object_load(struct ebpf_context* context, const void* bytes, size_t size,
                                    const char* name, struct ebpf_object** object, char* reason,
                                    size_t reason_bytes);
/** Lets go of programs and maps: those that are attached, or used by what is attached, stay. NULL does
 * nothing. */
EBPF_EMBED_API void ebpf_object_close(struct ebpf_object* object);

/** Finds a map of the object by its name in the source. Lookups, changes: at the same time as programs use
 * it. */
EBPF_EMBED_API int ebpf_map_open(const struct ebpf_object* object, const char* name, struct ebpf_map** map,
                                 char* reason, size_t reason_bytes);
/** NULL does nothing. */
EBPF_EMBED_API void ebpf_map_close(struct ebpf_map* map);
EBPF_EMBED_API uint32_t ebpf_map_key_bytes(const struct ebpf_map* map);
EBPF_EMBED_API uint32_t ebpf_map_value_bytes(const struct ebpf_map* map);
/** Keys and values have exactly the map's sizes. -ENOENT: there is no such element. */
EBPF_EMBED_API int ebpf_map_lookup(struct ebpf_map* map, const void* key, void* value);
/** `flags`: 0 makes or changes, 1 only makes (else -EEXIST), 2 only changes (else -ENOENT). */
EBPF_EMBED_API int ebpf_map_update(struct ebpf_map* map, const void* key, const void* value, uint64_t flags);
EBPF_EMBED_API int ebpf_map_delete(struct ebpf_map* map, const void* key);
/** The key after `key`, or the first one for NULL. -ENOENT: there are no more. */
EBPF_EMBED_API int ebpf_map_next_key(struct ebpf_map* map, const void* key, void* next);

#ifdef __cplusplus
}
#endif
