// SPDX-License-Identifier: MIT
// The supervisor of a hooked process tree: a thread that decides on its calls and carries them out.
#pragma once

#include <optional>
#include <thread>

#include "hooks/socket/linux/bound_sockets.hpp"
#include "hooks/socket/linux/callers.hpp"
#include "hooks/socket/linux/connect_pool.hpp"
#include "hooks/socket/linux/notification.hpp"
#include "hooks/socket/linux/operations.hpp"
#include "hooks/socket/linux/points.hpp"
#include "hooks/socket/linux/rights.hpp"
#include "hooks/socket/linux/target.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::socket {

/// Answers the calls of one tree until its last process has ended.
/// A call is decided on our copy of its address and carried out with that copy on the caller's own socket,
/// which we hold: what the caller's memory or descriptors become meanwhile changes nothing.
class Supervisor {
  public:
    /// Takes the listener of the tree's filter and starts the thread. `points` and `ledger`, if there is one,
    /// must outlive it.
    Supervisor(platform::Descriptor listener, Points& points, const Ledger* ledger = nullptr);
    /// Ends the thread and closes the listener: what still runs gets ENOSYS.
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

  private:
    void serve();
    /// Waits for a call, telling of sockets that are closed meanwhile. False: there will be none.
    bool wait();
    /// Tells the bind program of sockets that are closed, or of all that are left.
    void tell_closed();
    void tell_all_closed();
    void handle(const Call& call, Binder& binder);
    /// Returns the call's result, 0 or a negative errno; nothing: it is answered elsewhere, or the caller has
    /// gone. So do the functions below.
    std::optional<int> carry_out(const Call& call, Binder& binder);
    std::optional<int> connect(int type, Connection connection);
    Means means() { return {listener_, callers_, *points_, pool_, has_folder_}; }
    /// What decides on a call; nullptr: no program.
    struct Programs {
        bool are_missing = false;  ///< the call is refused because they were detached
        Chain* chain = nullptr;
        BindPoint* bind = nullptr;
        [[nodiscard]] bool is_any() const { return chain != nullptr || bind != nullptr; }
    };
    Programs programs_for(Operation operation, const Route& way);
    /// Binds if the bind program permits. Returns 0 or a negative errno.
    int bind(const platform::Descriptor& socket, Bound& wanted, Binder& binder);
    /// A call on a socket that has no internet addresses.
    std::optional<int> carry_out_other(const Call& call, platform::Descriptor socket,
                                       const SocketFacts& facts);

    Listener listener_;
    Callers callers_;  ///< the thread's
    Points* points_;
    platform::Descriptor end_;  ///< an eventfd
    BoundSockets bound_;        ///< the thread's
    bool has_folder_ = false;   ///< the thread's working folder is its own
    ConnectPool pool_;
    std::thread thread_;
};

}  // namespace ebpf::hooks::socket
