// SPDX-License-Identifier: MIT
// A program that the hook of own_hook.h does not allow: it writes a field that it may only read.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "own_hook.h"

SEC("probe")
int writes(struct probe* probe) {
    probe->number = 1;
    return 0;
}
