// SPDX-License-Identifier: MIT
#include "keeper.hpp"

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace ebpf::keeper {
namespace {

using Clock = std::chrono::steady_clock;

// A context that is restarted is back soon, one that was ended may be away for days.
constexpr std::chrono::milliseconds kSoon{100};
constexpr std::chrono::milliseconds kLater{1000};
constexpr std::chrono::seconds kAwayForLong{10};

/// Waits for events of one or two descriptors. Returns false if waiting itself failed.
bool wait(pollfd* sources, nfds_t count, int timeout_ms) {
    while (poll(sources, count, timeout_ms) < 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

}  // namespace

std::vector<std::byte> Keeper::offer() {
    Taken taken = offer_->make(listener_.number(), ledger_.number());
    life_ = std::move(taken.life);
    return std::move(taken.reply);
}

void Keeper::keep() {
    for (;;) {
        if (has_context() && !wait_for_context()) return;
        life_.reset();
        if (!stand_in()) return;
    }
}

bool Keeper::wait_for_context() {
    for (;;) {
        // Asked for nothing, both tell that the other side has gone.
        pollfd sources[] = {{listener_.number(), 0, 0}, {life_.number(), 0, 0}};
        if (!wait(sources, 2, -1)) return false;
        if (sources[0].revents != 0) return false;
        if (sources[1].revents != 0) return true;
    }
}

void Keeper::give(std::uint64_t call) const {
    if (rules_.when_gone == WhenGone::Open) {
        listener_.let_continue(call);
    } else {
        listener_.answer(call, -EPERM);
    }
}

bool Keeper::stand_in() {
    ledger_.sweep([this](std::uint64_t call) { give(call); });
    const auto since = Clock::now();
    auto next_offer = since;
    for (;;) {
        const auto now = Clock::now();
        if (rules_.may_offer_again && now >= next_offer) {
            static_cast<void>(offer());
            if (has_context()) return true;
            // One that ended over it may have received calls.
            ledger_.sweep([this](std::uint64_t call) { give(call); });
            next_offer = Clock::now() + (now - since < kAwayForLong ? kSoon : kLater);
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_offer - Clock::now()).count();
        const int timeout = rules_.may_offer_again ? static_cast<int>(left > 0 ? left : 0) : -1;
        pollfd source{listener_.number(), POLLIN, 0};
        if (!wait(&source, 1, timeout)) return false;
        if ((source.revents & POLLIN) != 0) {
            if (const auto call = listener_.receive()) give(call->id);
        } else if (source.revents != 0) {
            return false;
        }
    }
}

}  // namespace ebpf::keeper
