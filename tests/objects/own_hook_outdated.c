// SPDX-License-Identifier: MIT
// A program that was compiled against an older header of the hook of own_hook.h.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct probe {
    unsigned char* data;
    unsigned char* data_end;
    unsigned int answer;
    unsigned int number;
};

SEC("probe")
int reads(struct probe* probe) {
    return probe->answer == 1;
}
