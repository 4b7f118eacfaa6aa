/* SPDX-License-Identifier: MIT */
/* Extension ABI: program types and hooks in a shared library of their own, which a context loads while it
 * runs (`ebpfd --extension FILE`, `ebpfctl extension load FILE`, ebpf_context_load_extension()). C and C++.
 *
 * The library exports ebpf_extension_entry(). What that returns is checked as a whole before any of it is
 * registered; a version or size that the context does not know is refused. Its hooks are then hook providers
 * (ebpf/hook_provider.h) like the built-in ones, and its program types are what programs are verified against
 * (ebpf/program_type.h). The library runs with all rights of the process, and unsigned: contexts that enforce
 * code integrity load none.
 *
 * Numbers: programs and tools know types and hooks by name. Each context numbers program types, and the
 * attach types that its hooks get, from EBPF_FIRST_EXTENSION_NUMBER on as their names first come. A name
 * keeps its number as long as the context lives, also while its extension is not loaded; in another context
 * it may have another.
 *
 * Unloading takes the hooks away: detach() is called wherever programs are attached, and their links wait.
 * Programs stay loaded, and the library stays in memory as long as there are programs of its types, whose
 * code may call its helpers. A file with the same bytes that is loaded meanwhile is that very library, with
 * its variables as they are; its hooks' links are attached again. Another build is refused meanwhile, unless
 * its types look the same and have no helpers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ebpf/hook_provider.h"
#include "ebpf/program_type.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define EBPF_EXTENSION_EXPORT __declspec(dllexport)
#else
#define EBPF_EXTENSION_EXPORT __attribute__((visibility("default")))
#endif

#define EBPF_EXTENSION_ABI_VERSION 1u

/** First number of the program types and attach types of extensions. */
#define EBPF_FIRST_EXTENSION_NUMBER 0x1100000u

/** Program types, and hooks, in one extension at most. */
#define EBPF_EXTENSION_MAX_PARTS 64u

/** A hook of an extension. */
struct ebpf_extension_hook {
    /** Name of the program type, one of the same extension. */
    const char* program_type;
    /** Its name is what `ebpfctl link create` takes, and no other hook of the context has it. `program_type`
     * and `attach_type` are 0: the context fills them in, in a copy of its own. */
    const struct ebpf_hook_provider* provider;
};

/** What an extension is. Names have 1 to 63 letters, digits and characters of "_-/", and no slash first. All
 * that is pointed to must stay as long as the library. */
struct ebpf_extension {
    uint32_t version;   /**< EBPF_EXTENSION_ABI_VERSION */
    uint32_t size;      /**< of this struct */
    uint32_t hook_size; /**< of struct ebpf_extension_hook */
    uint32_t reserved;  /**< 0 */
    const char* name;
    const struct ebpf_program_type* const* types; /**< addresses: each struct says its own size */
    const struct ebpf_extension_hook* hooks;
    uint32_t type_count;
    uint32_t hook_count;
};
/** Starts a struct ebpf_extension. */
#define EBPF_EXTENSION_HEAD \
    EBPF_EXTENSION_ABI_VERSION, sizeof(struct ebpf_extension), sizeof(struct ebpf_extension_hook), 0u

/** The library's side: returns what it brings, or NULL if it cannot work here. Called once each time that it
 * is loaded. */
EBPF_EXTENSION_EXPORT const struct ebpf_extension* ebpf_extension_entry(void);

#ifdef __cplusplus
}
#endif
