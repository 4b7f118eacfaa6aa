// SPDX-License-Identifier: MIT
// ProcessTrees: what a context asks of the host in order to decide on the calls of process trees.
#pragma once

#include <cstdint>
#include <memory>

#include "base/error.hpp"

namespace ebpf::service {

/// A process tree that is offered. Descriptors are open during the call only.
struct TreeOffer {
    int listener = -1;          ///< of its seccomp filter
    int ledger = -1;            ///< memory in which calls under way are noted
    std::uint32_t process = 0;  ///< one of its processes
    std::uint32_t uid = 0;      ///< who offers it
    bool is_closed = true;      ///< calls are refused when the last program has been detached from their hook
};

/// Trees that are taken are numbered; links name the tree by its number where others name an interface.
/// Threads: any.
class ProcessTrees {
  public:
    ProcessTrees() = default;
    ProcessTrees(const ProcessTrees&) = delete;
    ProcessTrees& operator=(const ProcessTrees&) = delete;
    virtual ~ProcessTrees() = default;

    /// Takes a tree, whose calls wait until serve(). Returns its number. Errors: InvalidArgument - a
    /// descriptor is not what it should be; NoPermission - the process is another user's, or may not be
    /// looked into; NotFound - there is no such process.
    virtual Result<std::uint32_t> add(const TreeOffer& offer) = 0;
    /// Starts to answer its calls. `held` is let go when the last process has ended, or by drop_all().
    virtual Result<void> serve(std::uint32_t tree, std::shared_ptr<void> held) = 0;
    /// Gives up a tree that is not served.
    virtual void drop(std::uint32_t tree) = 0;
    /// Stops answering, for good, and lets go all that was held. Calls wait then, for whoever else holds the
    /// listener.
    virtual void drop_all() = 0;
};

}  // namespace ebpf::service
