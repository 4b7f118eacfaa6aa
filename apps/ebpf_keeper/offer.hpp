// SPDX-License-Identifier: MIT
// Offering a process tree to the context behind a Unix socket.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "platform/linux/descriptor.hpp"

namespace ebpf::keeper {

/// What came of an offer.
struct Taken {
    platform::Descriptor life;     ///< of a context that took the tree; hangs up when that has gone
    std::vector<std::byte> reply;  ///< the context's, framed; made here if none answers
};

/// A request TreeHook (spec/operations.def) with what it takes to repeat it.
class Offer {
  public:
    /// `request` is framed already.
    Offer(std::string socket, std::vector<std::byte> request)
        : socket_(std::move(socket)), request_(std::move(request)) {}

    /// Sends the request with the tree's listener and ledger, and waits for the answer.
    [[nodiscard]] Taken make(int listener, int ledger) const;

  private:
    std::string socket_;
    std::vector<std::byte> request_;
};

}  // namespace ebpf::keeper
