// SPDX-License-Identifier: MIT
// What a program under the socket hooks may try: to change an address or a descriptor between check and use,
// and to reach bind() by other doors. Prints what it came to; `port` is one that the policy forbids, the one
// below is allowed.
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "race.hpp"

namespace {

int port_of(int fd) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0 || bound.ss_family != AF_INET)
        return 0;
    return ntohs(reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

/// One thread binds, another one changes the port in the address all the time.
Tally race_address(int type, int port, int tries) {
    sockaddr_in address = loopback(port);
    Tally tally;
    const PortChanger changer(address, port);
    for (int i = 0; i < tries; ++i) {
        const int fd = socket(AF_INET, type, 0);
        const int one = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            ++(port_of(fd) == port ? tally.forbidden : tally.allowed);
        } else {
            ++(errno == EPERM ? tally.denied : tally.other);
        }
        close(fd);
    }
    return tally;
}

/// One thread binds a Unix socket under a number where another one puts an internet socket all the time.
Tally race_descriptor(int type, int port, int tries) {
    const int place = 100;
    const int unix_socket = socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_in address = loopback(port);
    Tally tally;
    std::atomic<int> current = -1;
    std::atomic<bool> is_over = false;
    dup2(unix_socket, place);
    std::thread changer([&] {
        while (!is_over) {
            const int fd = current;
            if (fd >= 0) dup2(fd, place);
            pause_briefly();
            dup2(unix_socket, place);
            pause_briefly();
        }
    });
    for (int i = 0; i < tries; ++i) {
        const int fd = socket(AF_INET, type, 0);
        current = fd;
        const bool is_bound = bind(place, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        current = -1;
        const int bound = port_of(fd);
        if (bound == port) {
            ++tally.forbidden;
        } else if (is_bound) {
            ++tally.allowed;
        } else {
            ++(errno == EPERM || errno == EACCES ? tally.denied : tally.other);
        }
        close(fd);
    }
    is_over = true;
    changer.join();
    return tally;
}

void print_result(const char* what, long result) {
    std::printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
}

long negative_errno(long result) {
    if (result >= 0) return result;
    errno = static_cast<int>(-result);
    return -1;
}

void try_other_doors(int port) {
    const sockaddr_in address = loopback(port);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    print_result("bind", bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    std::byte parameters[120]{};
    print_result("io_uring_setup", syscall(SYS_io_uring_setup, 8, parameters));
#if defined(__x86_64__)
    print_result("x32_bind", syscall(0x40000000 + SYS_bind, fd, &address, sizeof address));
    long result = 0;
    asm volatile("int $0x80"
                 : "=a"(result)
                 : "a"(361L), "b"(fd), "c"(0L), "d"(0L)
                 : "memory", "r8", "r9", "r10", "r11");
    print_result("i386_bind", negative_errno(static_cast<int>(result)));
#endif
    const landlock_ruleset_attr rules{.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
    const long ruleset = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    print_result("landlock_restrict_self", syscall(SYS_landlock_restrict_self, ruleset, 0));
    std::printf("port %d\n", port_of(fd));
}

/// Odd addresses and lengths: nothing of it may bind, crash the supervisor or hang.
void try_odd_addresses() {
    unsigned random = 1;
    const int domains[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
    int bound = 0;
    for (int i = 0; i < 4000; ++i) {
        random = random * 1664525U + 1013904223U;
        sockaddr_storage address{};
        address.ss_family = static_cast<sa_family_t>(random >> 8U & 15U);
        const int length = static_cast<int>(random >> 16U & 255U) - 8;
        const int fd =
            socket(domains[random >> 4U & 3U], (random >> 2U & 1U) != 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
        if (fd < 0) continue;
        const bool is_null = (random >> 24U & 15U) == 0;
        const auto* place = is_null ? nullptr : reinterpret_cast<const sockaddr*>(&address);
        if ((random >> 28U & 1U) != 0) {
            bound += bind(fd, place, static_cast<socklen_t>(length)) == 0 && port_of(fd) != 0 ? 1 : 0;
        } else {
            static_cast<void>(connect(fd, place, static_cast<socklen_t>(length)));
        }
        close(fd);
    }
    std::printf("odd bound=%d\n", bound);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    const int port = argc > 2 ? std::atoi(argv[2]) : 0;
    const int tries = argc > 3 ? std::atoi(argv[3]) : 0;
    if (mode == "race-address") {
        race_address(SOCK_DGRAM, port, tries).print("udp");
        race_address(SOCK_STREAM, port, tries).print("tcp");
    } else if (mode == "race-descriptor") {
        race_descriptor(SOCK_STREAM, port, tries).print("tcp");
        race_descriptor(SOCK_DGRAM, port, tries).print("udp");
    } else if (mode == "doors") {
        try_other_doors(port);
    } else if (mode == "odd") {
        try_odd_addresses();
    } else {
        std::fprintf(stderr, "socket_probe race-address|race-descriptor PORT TRIES | doors PORT | odd\n");
        return 2;
    }
    return 0;
}
