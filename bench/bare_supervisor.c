// SPDX-License-Identifier: MIT
// The least that seccomp user notification costs: runs a command whose binds are received, copied and carried
// out here, with nothing decided. What the socket hooks need beyond that is theirs; how long this takes is
// the host's. No protection whatsoever: a yardstick for bench/socket_hook.
//
// Usage: bare_supervisor COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_THREADS = 64 };
static pid_t command;
static struct {
    int thread;
    int pidfd;
} known[MOST_THREADS];

static void fail(const char* what) {
    fprintf(stderr, "bare_supervisor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static void on_end(int number) {
    (void)number;
    int status = 0;
    if (waitpid(command, &status, WNOHANG) == command) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int add_filter(void) {
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof rows / sizeof *rows, rows};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
}

/// Starts the command. Returns its filter's listener.
static int start(char** words) {
    int told[2];
    int go[2];
    if (pipe(told) != 0 || pipe(go) != 0) fail("pipe");
    command = fork();
    if (command < 0) fail("fork");
    if (command == 0) {
        const int listener = add_filter();
        char byte;
        if (write(told[1], &listener, sizeof listener) != sizeof listener || read(go[0], &byte, 1) != 1)
            _exit(1);
        close(listener);
        execvp(words[0], words);
        fail(words[0]);
    }
    int theirs = -1;
    if (read(told[0], &theirs, sizeof theirs) != sizeof theirs || theirs < 0) fail("seccomp");
    const int process = (int)syscall(SYS_pidfd_open, command, 0);
    const int listener = (int)syscall(SYS_pidfd_getfd, process, theirs, 0);
    if (listener < 0) fail("listener");
    if (write(go[1], "", 1) != 1) fail("go");
    return listener;
}

static int task_of(int thread) {
    const unsigned place = (unsigned)thread % MOST_THREADS;
    if (known[place].thread != thread) {
        const unsigned by_thread = 0200;  // PIDFD_THREAD, since Linux 6.9
        if (known[place].thread != 0) close(known[place].pidfd);
        known[place].thread = thread;
        known[place].pidfd = (int)syscall(SYS_pidfd_open, thread, by_thread);
    }
    return known[place].pidfd;
}

static int carry_out(int listener, const struct seccomp_notif* call) {
    struct sockaddr_storage address;
    const struct iovec to = {&address, sizeof address};
    const struct iovec from = {(void*)call->data.args[1], call->data.args[2]};
    if (process_vm_readv((pid_t)call->pid, &to, 1, &from, 1, 0) < 0) return -errno;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) != 0) return -errno;
    const int socket = (int)syscall(SYS_pidfd_getfd, task_of((int)call->pid), call->data.args[0], 0);
    if (socket < 0) return -errno;
    const int result =
        bind(socket, (struct sockaddr*)&address, (socklen_t)call->data.args[2]) == 0 ? 0 : -errno;
    close(socket);
    return result;
}

int main(int argc, char** argv) {
    if (argc < 2) {
        fputs("usage: bare_supervisor COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    const struct sigaction action = {.sa_handler = on_end};
    sigaction(SIGCHLD, &action, NULL);
    const int listener = start(argv + 1);
    const unsigned long set_flags = _IOW('!', 4, unsigned long long);  // since Linux 6.6
    ioctl(listener, set_flags, 1);                                     // SYNC_WAKE_UP
    for (;;) {
        union {
            struct seccomp_notif call;
            char room[256];
        } received = {.room = {0}};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &received) != 0) {
            if (errno == EINTR || errno == ENOENT) continue;
            pause();  // the tree has ended: until the command is collected
        }
        struct seccomp_notif_resp answer = {.id = received.call.id};
        answer.error = carry_out(listener, &received.call);
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}
