/* SPDX-License-Identifier: MIT */
/* Libraries for extension_file_test.cpp: an extension "small", and what is wrong by -D. */
#include "ebpf/extension.h"

struct small {
    unsigned int number;
};

static const struct ebpf_context_field fields[] = {EBPF_NUMBER(struct small, number)};

static uint64_t build(uint64_t argument1, uint64_t argument2, uint64_t argument3, uint64_t argument4,
                      uint64_t argument5, struct ebpf_invocation* invocation) {
    (void)argument1, (void)argument2, (void)argument3, (void)argument4, (void)argument5, (void)invocation;
#ifdef OTHER_BUILD
    return 2;
#else
    return 1;
#endif
}

static const struct ebpf_helper helpers[] = {
    {.name = "small_build", .id = EBPF_FIRST_OWN_HELPER, .function = build}};

static const struct ebpf_program_type type = {
    EBPF_PROGRAM_TYPE_HEAD,
    .name = "small",
    .context_name = "small",
    .context_bytes = sizeof(struct small),
    .field_count = 1,
    .fields = fields,
    .helpers = helpers,
    .helper_count = 1,
    .flags = EBPF_PROGRAM_TYPE_TEST_RUNS,
    .return_min = 1,
    .return_max = 0,
};

static const struct ebpf_program_type* const types[] = {&type};

static const struct ebpf_extension extension = {
#ifdef OLD_VERSION
    0u,
    sizeof(struct ebpf_extension),
    sizeof(struct ebpf_extension_hook),
    0u,
#else
    EBPF_EXTENSION_HEAD,
#endif
    .name = "small",
    .types = types,
    .type_count = 1,
};

#ifdef NO_ENTRY
EBPF_EXTENSION_EXPORT const struct ebpf_extension* another_name(void);
const struct ebpf_extension* another_name(void) {
#else
const struct ebpf_extension* ebpf_extension_entry(void) {
#endif
#ifdef NOT_HERE
    (void)extension;
    return NULL;
#else
    return &extension;
#endif
}
