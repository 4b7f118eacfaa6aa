// SPDX-License-Identifier: MIT
// Backend: the way to an execution context, and Handle, a reference to one of its objects.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "protocol/messages.hpp"

namespace ebpf::client {

/// What a backend keeps for a handle; its destruction gives the reference back.
class HandleState {
  public:
    HandleState() = default;
    HandleState(const HandleState&) = delete;
    HandleState& operator=(const HandleState&) = delete;
    virtual ~HandleState() = default;
};

/// Keeps an object of a context alive. Lifetime: must not outlive its backend. Threads: one at a time.
class Handle {
  public:
    Handle() = default;
    explicit Handle(std::unique_ptr<HandleState> state) : state_(std::move(state)) {}

    [[nodiscard]] bool is_empty() const { return state_ == nullptr; }
    [[nodiscard]] const HandleState* state() const { return state_.get(); }

  private:
    std::unique_ptr<HandleState> state_;
};

struct Answer {
    protocol::AnyReply reply;
    std::vector<Handle> handles;
};

/// A way to an execution context. Threads: one at a time.
class Backend {
  public:
    Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;

    /// Carries out a request; `handles` are what its handle fields count in: handles of this backend, not
    /// empty. Errors: those of the operation; ConnectionLost, Malformed, VersionMismatch - the context does
    /// not answer so.
    virtual Result<Answer> call(const protocol::AnyRequest& request,
                                std::span<const Handle* const> handles) = 0;

    /// True if the context goes on when this backend has gone, so that pins and links mean something.
    [[nodiscard]] virtual bool is_lasting() const = 0;
};

}  // namespace ebpf::client
