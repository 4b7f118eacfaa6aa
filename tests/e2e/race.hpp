// SPDX-License-Identifier: MIT
// What probes share that try to change something between check and use.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>

/// An address of 127.0.0.1.
inline sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

/// So long that either value is seen.
inline void pause_briefly() {
    volatile int turns = 0;
    for (int i = 0; i < 200; ++i) turns = i;
    static_cast<void>(turns);
}

/// Sets the port in an address to `port` and to the one below all the time, in a thread of its own.
class PortChanger {
  public:
    PortChanger(sockaddr_in& address, int port)
        : thread_([this, &address, port] {
              auto* place = reinterpret_cast<volatile std::uint16_t*>(&address.sin_port);
              while (!is_over_) {
                  *place = htons(static_cast<std::uint16_t>(port - 1));
                  pause_briefly();
                  *place = htons(static_cast<std::uint16_t>(port));
                  pause_briefly();
              }
          }) {}
    PortChanger(const PortChanger&) = delete;
    PortChanger& operator=(const PortChanger&) = delete;
    ~PortChanger() {
        is_over_ = true;
        thread_.join();
    }

  private:
    std::atomic<bool> is_over_ = false;
    std::thread thread_;
};

/// What tries came to.
struct Tally {
    int allowed = 0;
    int forbidden = 0;
    int denied = 0;
    int other = 0;

    void print(const char* what) const {
        std::printf("%s allowed=%d forbidden=%d denied=%d other=%d\n", what, allowed, forbidden, denied,
                    other);
    }
};
