// SPDX-License-Identifier: MIT
// Descriptor: owns a file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

namespace ebpf::platform {

/// A file descriptor that is closed at the end of its owner's life; -1 is none. Threads: one at a time.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) reset(std::exchange(other.number_, -1));
        return *this;
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(); }

    [[nodiscard]] int number() const { return number_; }
    [[nodiscard]] bool is_open() const { return number_ >= 0; }

    void reset(int number = -1) {
        if (number_ >= 0) close(number_);
        number_ = number;
    }

  private:
    int number_ = -1;
};

}  // namespace ebpf::platform
