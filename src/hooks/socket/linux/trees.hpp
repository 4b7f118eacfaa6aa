// SPDX-License-Identifier: MIT
// Process trees whose filters others made: taken, served, let go.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "hooks/socket/hooks.hpp"
#include "hooks/socket/linux/ledger.hpp"
#include "hooks/socket/linux/points.hpp"
#include "hooks/socket/linux/supervisor.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// Trees by number. A thread of it waits for their ends. Threads: any. See SocketHooks for the contracts.
class Trees {
  public:
    Trees() = default;
    Trees(const Trees&) = delete;
    Trees& operator=(const Trees&) = delete;
    ~Trees() { drop_all(); }

    Result<std::uint32_t> add(const TreeOffer& offer);
    /// Returns the programs of a tree, or nullptr.
    [[nodiscard]] std::shared_ptr<Points> points_of(std::uint32_t tree);
    Result<void> serve(std::uint32_t tree, std::shared_ptr<void> held);
    void drop(std::uint32_t tree);
    void drop_all();

  private:
    /// Destroyed from the end: the supervisor first, then what was held, which still needs the points.
    struct Tree {
        platform::Descriptor listener;
        std::optional<Ledger> ledger;
        std::shared_ptr<Points> points = std::make_shared<Points>();
        std::shared_ptr<void> held;
        std::optional<Supervisor> supervisor;
    };
    using Table = std::map<std::uint32_t, std::unique_ptr<Tree>>;

    void watch();
    /// Waits until a tree ends or the table changes; returns trees that have ended. Nothing: drop_all().
    std::optional<Table> wait_for_ends();

    std::mutex mutex_;
    Table trees_;
    std::uint32_t last_ = 0;
    bool is_over_ = false;
    platform::Descriptor changed_;  ///< an eventfd
    std::thread watcher_;
};

}  // namespace ebpf::hooks::socket
