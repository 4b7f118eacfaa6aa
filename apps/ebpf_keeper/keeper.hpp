// SPDX-License-Identifier: MIT
// Keeper: holds the listener of a process tree's filter while execution contexts come and go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hooks/socket/linux/ledger.hpp"
#include "hooks/socket/linux/notification.hpp"
#include "offer.hpp"

namespace ebpf::keeper {

/// What calls come to while no context decides.
enum class WhenGone : std::uint8_t {
    Closed,  ///< EPERM
    Open,    ///< the kernel carries them out: nothing is enforced
};

struct Rules {
    WhenGone when_gone = WhenGone::Closed;
    bool may_offer_again = false;  ///< to the next context
};

/// A context that has the tree answers its calls; the keeper waits. When the context has gone, the keeper
/// answers as the rules say, also the calls that the context had received, and offers the tree again until
/// one takes it.
class Keeper {
  public:
    Keeper(platform::Descriptor listener, hooks::socket::Ledger ledger, const Offer& offer, Rules rules)
        : ledger_(std::move(ledger)),
          listener_(std::move(listener), &ledger_),
          offer_(&offer),
          rules_(rules) {}

    /// Offers the tree; until the context takes it, calls wait. Returns the context's answer, framed.
    std::vector<std::byte> offer();
    [[nodiscard]] bool has_context() const { return life_.is_open(); }
    void set_rules(Rules rules) { rules_ = rules; }
    /// Goes on until the last process of the tree has ended.
    void keep();

  private:
    /// Until the context has gone. False: the tree has.
    bool wait_for_context();
    /// Until a context has the tree. False: the tree has gone.
    bool stand_in();
    void give(std::uint64_t call) const;

    hooks::socket::Ledger ledger_;
    hooks::socket::Listener listener_;
    const Offer* offer_;
    Rules rules_;
    platform::Descriptor life_;  ///< hangs up when the context goes; not open: none has the tree
};

}  // namespace ebpf::keeper
