// SPDX-License-Identifier: MIT
// How long calls take here: bind to PORT and to any port, connect, and a call that no hook looks at. Prints
// medians and 99th percentiles in microseconds as JSON. Usage: call_latency PORT [ROUNDS]
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int compare(const void* a, const void* b) {
    const double x = *(const double*)a;
    const double y = *(const double*)b;
    return (x > y) - (x < y);
}

static void print(const char* name, double* times, int count, int failed, const char* after) {
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("\"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"failed\": %d}%s", name, times[count / 2],
           times[count * 99 / 100], failed, after);
}

int main(int argc, char** argv) {
    const int port = argc > 1 ? atoi(argv[1]) : 0;
    const int rounds = argc > 2 ? atoi(argv[2]) : 5000;
    enum { BIND, CONNECT, CALLS };
    double* times = calloc((size_t)rounds, sizeof *times);
    if (times == NULL || rounds < 1) return 1;
    printf("{");
    for (int what = 0; what < CALLS; ++what) {
        int failed = 0;
        for (int i = 0; i < rounds; ++i) {
            const struct sockaddr_in address = {.sin_family = AF_INET,
                                                .sin_port = htons((unsigned short)port),
                                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
            const int fd = socket(AF_INET, SOCK_DGRAM, 0);
            const double before = now();
            failed += (what == BIND ? bind(fd, (const struct sockaddr*)&address, sizeof address)
                                    : connect(fd, (const struct sockaddr*)&address, sizeof address)) != 0;
            times[i] = now() - before;
            close(fd);
        }
        print(what == BIND ? "bind" : "connect", times, rounds, failed, ", ");
    }
    enum { BUNDLE = 100 };  // one of them is shorter than reading the clock
    for (int i = 0; i < rounds; ++i) {
        const double before = now();
        for (int j = 0; j < BUNDLE; ++j) syscall(SYS_getppid);
        times[i] = (now() - before) / BUNDLE;
    }
    print("getppid", times, rounds, 0, "}\n");
    return 0;
}
