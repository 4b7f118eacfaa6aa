// SPDX-License-Identifier: MIT
// Spends its time in a restartable sequence. Prints a line when it is in it; SIGTERM ends it with 0. Ends
// with 3 if it goes on inside although the kernel has forgotten the sequence: then nothing restarts it any
// more. Source: rseq(2); Linux include/uapi/linux/rseq.h.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/rseq.h>
#include <unistd.h>

static volatile sig_atomic_t is_ending;

static void end(int number) {
    (void)number;
    is_ending = 1;
}

/// Enters the sequence. Returns 1: it was restarted; 0: it was forgotten.
static int spin(struct rseq* area) {
    int was_restarted = 0;
    __asm__ volatile(
        // The descriptor: version, flags, start, length, where a restart goes, behind the signature.
        ".pushsection .data.sequence, \"aw\"\n"
        ".balign 32\n"
        "9: .long 0, 0\n"
        ".quad 1f, 2f - 1f, 4f\n"
        ".popsection\n"
        "leaq 9b(%%rip), %%rax\n"
        "movq %%rax, %[section]\n"
        "1: cmpq $0, %[section]\n"
        "jne 1b\n"
        "2: jmp 5f\n"
        ".long %c[signature]\n"
        "4: movl $1, %[was_restarted]\n"
        "5:\n"
        : [section] "+m"(area->rseq_cs), [was_restarted] "+m"(was_restarted)
        : [signature] "i"(RSEQ_SIG)
        : "rax", "memory", "cc");
    return was_restarted;
}

int main(void) {
    const struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    if (__rseq_size == 0) return 77;
    struct rseq* area = (struct rseq*)((uintptr_t)__builtin_thread_pointer() + (uintptr_t)__rseq_offset);
    puts("spinning");
    fflush(stdout);
    while (!is_ending) {
        if (!spin(area)) return 3;
    }
    return 0;
}
