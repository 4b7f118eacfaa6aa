// SPDX-License-Identifier: MIT
// What a program under the hooks of sends and names may try: to change a destination or a descriptor between
// check and use, and odd arguments. `port` is one to which nothing may be sent, the one below is allowed.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "race.hpp"

namespace {

int receiver(int port) {
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in address = loopback(port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::perror("bind");
    return fd;
}

int take_all(int fd) {
    char byte = 0;
    int count = 0;
    while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0) ++count;
    return count;
}

void note(Tally& tally, int receiver_allowed, int receiver_forbidden, bool is_sent) {
    const int error = errno;
    tally.allowed += take_all(receiver_allowed);
    tally.forbidden += take_all(receiver_forbidden);
    if (!is_sent) ++(error == EPERM ? tally.denied : tally.other);
}

enum class How { Sendto, Sendmsg, Sendmmsg };

bool send_one(int fd, How how, sockaddr_in& to) {
    char byte = 'x';
    if (how == How::Sendto) return sendto(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 1;
    iovec place{&byte, 1};
    mmsghdr message{};
    message.msg_hdr.msg_name = &to;
    message.msg_hdr.msg_namelen = sizeof to;
    message.msg_hdr.msg_iov = &place;
    message.msg_hdr.msg_iovlen = 1;
    if (how == How::Sendmsg) return sendmsg(fd, &message.msg_hdr, 0) == 1;
    return sendmmsg(fd, &message, 1, 0) == 1 && message.msg_len == 1;
}

/// One thread sends, another one changes the port in the address all the time.
void race_destination(How how, const char* name, int port, int tries) {
    const int allowed = receiver(port - 1);
    const int forbidden = receiver(port);
    sockaddr_in address = loopback(port);
    Tally tally;
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    {
        const PortChanger changer(address, port);
        for (int i = 0; i < tries; ++i) note(tally, allowed, forbidden, send_one(fd, how, address));
    }
    tally.print(name);
    close(fd);
    close(allowed);
    close(forbidden);
}

/// One thread sends by a Unix socket under a number where another one puts a UDP socket all the time.
void race_descriptor(How how, const char* name, int port, int tries) {
    const int place = 100;
    const int allowed = receiver(port - 1);
    const int forbidden = receiver(port);
    const int unix_socket = socket(AF_UNIX, SOCK_DGRAM, 0);
    const int udp = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = loopback(port);
    std::atomic<bool> is_over = false;
    dup2(unix_socket, place);
    std::thread changer([&] {
        while (!is_over) {
            dup2(udp, place);
            pause_briefly();
            dup2(unix_socket, place);
            pause_briefly();
        }
    });
    Tally tally;
    for (int i = 0; i < tries; ++i) note(tally, allowed, forbidden, send_one(place, how, address));
    is_over = true;
    changer.join();
    tally.print(name);
    for (const int fd : {place, allowed, forbidden, unix_socket, udp}) close(fd);
}

/// Odd addresses, lengths and places: nothing of it may crash the supervisor or hang.
void try_odd_arguments() {
    unsigned random = 1;
    const auto next = [&random](unsigned bits) {
        random = random * 1664525U + 1013904223U;
        return random >> 8U & ((1U << bits) - 1);
    };
    const int domains[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK};
    char text[64] = "text";
    for (int i = 0; i < 4000; ++i) {
        const int fd = socket(domains[next(2)], next(1) != 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
        if (fd < 0) continue;
        sockaddr_storage address{};
        address.ss_family = static_cast<sa_family_t>(next(4));
        reinterpret_cast<sockaddr_in&>(address).sin_port = static_cast<in_port_t>(next(16));
        auto* bad = reinterpret_cast<sockaddr*>(std::uintptr_t{next(4)});
        auto* place = next(3) == 0 ? bad : reinterpret_cast<sockaddr*>(&address);
        auto length = static_cast<socklen_t>(static_cast<int>(next(8)) - 8);
        iovec parts[2] = {{text, next(7)}, {next(3) == 0 ? static_cast<void*>(bad) : text, next(6)}};
        if (next(4) == 0) parts[1].iov_len = ~std::size_t{next(2)};
        msghdr header{};
        header.msg_name = place;
        header.msg_namelen = length;
        header.msg_iov = next(4) == 0 ? reinterpret_cast<iovec*>(bad) : parts;
        header.msg_iovlen = next(4) == 0 ? next(12) : next(1) + 1;
        header.msg_control = next(2) == 0 ? nullptr : text;
        header.msg_controllen = next(7);
        mmsghdr many[2] = {{header, 0}, {header, 0}};
        constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
        switch (next(3)) {
            case 0:
            case 1:
                static_cast<void>(sendto(fd, text, next(7), kFlags, place, length));
                break;
            case 2:
            case 3:
                static_cast<void>(
                    sendmsg(fd, next(4) == 0 ? reinterpret_cast<msghdr*>(bad) : &header, kFlags));
                break;
            case 4:
                static_cast<void>(
                    sendmmsg(fd, next(4) == 0 ? reinterpret_cast<mmsghdr*>(bad) : many, 2, kFlags));
                break;
            case 5:
                static_cast<void>(getsockname(fd, place, next(3) == 0 ? nullptr : &length));
                break;
            case 6:
                static_cast<void>(getpeername(fd, place, next(3) == 0 ? nullptr : &length));
                break;
            default:
                static_cast<void>(listen(next(1) == 0 ? fd : static_cast<int>(next(4)) + 200, 1));
        }
        close(fd);
    }
    std::printf("odd done\n");
}

template <typename What>
void measure(const char* name, int tries, const What& what) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> all;
    for (int i = 0; i < tries; ++i) {
        const auto start = Clock::now();
        what();
        all.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::sort(all.begin(), all.end());
    std::printf("%s %.2f\n", name, all[all.size() / 2]);
}

/// Medians of calls, in microseconds.
void measure_all(int port, int tries) {
    const int to = receiver(port - 1);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = loopback(port - 1);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    char bytes[8] = {};
    sockaddr_in name{};
    measure("sendto", tries, [&] {
        sendto(fd, bytes, 8, 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
        static_cast<void>(recv(to, bytes, 8, 0));
    });
    measure("sendmsg", tries, [&] {
        send_one(fd, How::Sendmsg, address);
        static_cast<void>(recv(to, bytes, 8, 0));
    });
    measure("send_without_address", tries, [&] {
        static_cast<void>(send(pair[0], bytes, 8, 0));
        static_cast<void>(recv(pair[1], bytes, 8, 0));
    });
    measure("getsockname", tries, [&] {
        socklen_t size = sizeof name;
        getsockname(to, reinterpret_cast<sockaddr*>(&name), &size);
    });
    measure("socket", tries, [&] { close(socket(AF_INET, SOCK_DGRAM, 0)); });
    measure("unix_socket", tries, [&] { close(socket(AF_UNIX, SOCK_DGRAM, 0)); });
    measure("getpid", tries, [&] { getppid(); });
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    const int port = argc > 2 ? std::atoi(argv[2]) : 0;
    const int tries = argc > 3 ? std::atoi(argv[3]) : 0;
    if (mode == "race-destination") {
        race_destination(How::Sendto, "sendto", port, tries);
        race_destination(How::Sendmsg, "sendmsg", port, tries);
        race_destination(How::Sendmmsg, "sendmmsg", port, tries);
    } else if (mode == "race-descriptor") {
        race_descriptor(How::Sendto, "sendto", port, tries);
        race_descriptor(How::Sendmsg, "sendmsg", port, tries);
        race_descriptor(How::Sendmmsg, "sendmmsg", port, tries);
    } else if (mode == "odd") {
        try_odd_arguments();
    } else if (mode == "time") {
        measure_all(port, tries);
    } else {
        std::fprintf(stderr, "send_probe race-destination|race-descriptor|time PORT TRIES | odd\n");
        return 2;
    }
    return 0;
}
