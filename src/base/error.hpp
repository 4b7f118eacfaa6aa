// SPDX-License-Identifier: MIT
// Error and Result: errors with text for host code (never in the kernel set), and the propagation macro.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.hpp"

namespace ebpf {

/// A failure with a message: what failed, on what, with numbers; lower case, no period.
class Error {
  public:
    Error(Status status, std::string message) : status_(status), message_(std::move(message)) {}

    [[nodiscard]] Status status() const { return status_; }
    [[nodiscard]] const std::string& message() const { return message_; }

    /// Prepends "`context`: ", once per layer that adds knowledge ("program xdp_drop", "section '.maps'").
    Error&& in(std::string_view context) && {
        message_.insert(0, std::string(context) + ": ");
        return std::move(*this);
    }

  private:
    Status status_;
    std::string message_;
};

/// A value or an Error.
template <typename T>
using Result = std::expected<T, Error>;

/// Makes the error alternative of a Result.
inline std::unexpected<Error> fail(Status status, std::string message) {
    return std::unexpected<Error>(Error(status, std::move(message)));
}

}  // namespace ebpf
