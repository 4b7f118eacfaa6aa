// SPDX-License-Identifier: MIT
// The listener of a seccomp filter: calls that wait for an answer.
// Source: seccomp_unotify(2); include/uapi/linux/seccomp.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "hooks/socket/linux/ledger.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// A system call of a target, which waits.
struct Call {
    std::uint64_t id = 0;
    int thread = 0;  ///< thread id of the caller, in our pid namespace; 0: not visible there
    int number = 0;  ///< of the system call
    std::array<std::uint64_t, 6> arguments{};
};

/// Receives calls and answers them. Threads: any; a call is received by one of them.
class Listener {
  public:
    /// `ledger` is where calls are noted until they are answered; nullptr: nowhere. It must outlive the
    /// object.
    explicit Listener(platform::Descriptor listener, const Ledger* ledger = nullptr);

    [[nodiscard]] int number() const { return listener_.number(); }
    /// Takes the next call. Nothing: the caller has gone, or there is none. Blocks if there is none.
    [[nodiscard]] std::optional<Call> receive() const;
    /// True if the caller still waits: what was read by its thread id until now was the caller's.
    [[nodiscard]] bool is_waiting(std::uint64_t id) const;
    /// Ends the call with a result, or with a negative errno. False: the caller has gone.
    bool answer(std::uint64_t id, int result) const;
    /// Ends the call with a copy of `descriptor` that the caller gets. Returns 0, or a negative errno with
    /// which the call has not ended yet: -EMFILE and others.
    int answer_with_descriptor(std::uint64_t id, int descriptor, bool is_closed_on_exec) const;
    /// Lets the kernel carry the call out, with what the caller's memory and descriptors hold then.
    void let_continue(std::uint64_t id) const;

  private:
    bool send(std::uint64_t id, int result, std::uint32_t flags) const;

    platform::Descriptor listener_;
    const Ledger* ledger_;
};

}  // namespace ebpf::hooks::socket
