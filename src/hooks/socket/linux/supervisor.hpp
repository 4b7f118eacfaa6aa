// SPDX-License-Identifier: MIT
// The supervisor of a hooked process tree: a thread that decides on its calls and carries them out.
#pragma once

#include <array>
#include <bit>
#include <optional>
#include <thread>

#include "hooks/socket/linux/chain.hpp"
#include "hooks/socket/linux/connect_pool.hpp"
#include "hooks/socket/linux/notification.hpp"
#include "hooks/socket/linux/rights.hpp"
#include "hooks/socket/linux/target.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// The chains of all attach types.
class Chains {
  public:
    Chain& at(spec::AttachType type) {
        return chains_[static_cast<std::size_t>(std::countr_zero(spec::attach_bit(type)))];
    }

  private:
    static constexpr std::size_t kCount =
        1 + static_cast<std::size_t>(std::countr_zero(spec::attach_bit(spec::AttachType::Inet6Connect)));
    std::array<Chain, kCount> chains_;
};

/// Answers the calls of one tree until its last process has ended.
/// A call is decided on our copy of its address and carried out with that copy on the caller's own socket,
/// which we hold: what the caller's memory or descriptors become meanwhile changes nothing.
class Supervisor {
  public:
    /// Takes the listener of the tree's filter and starts the thread. `chains` and `ledger`, if there is one,
    /// must outlive it.
    Supervisor(platform::Descriptor listener, Chains& chains, const Ledger* ledger = nullptr);
    /// Ends the thread and closes the listener: what still runs gets ENOSYS.
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

  private:
    void serve();
    /// Waits for a call. False: there will be none.
    bool wait();
    void handle(const Call& call, Binder& binder);
    void carry_out(const Call& call, Binder& binder);
    /// Runs the programs of the address's hook, and makes it what they left. Returns 0 or a negative errno;
    /// nothing: the caller has gone.
    std::optional<int> decide(const Call& call, spec::AttachType attach, const SocketFacts& facts,
                              Address& address);
    /// A call on a socket that has no internet addresses.
    void carry_out_other(const Call& call, platform::Descriptor socket, const SocketFacts& facts);

    Listener listener_;
    Chains* chains_;
    platform::Descriptor end_;  ///< an eventfd
    bool has_folder_ = false;   ///< the thread's working folder is its own
    ConnectPool pool_;
    std::thread thread_;
};

}  // namespace ebpf::hooks::socket
