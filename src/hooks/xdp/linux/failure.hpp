// SPDX-License-Identifier: MIT
// Failure: an errno with text. The hook's ABI speaks errno, so here errors are errnos and not Status.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace ebpf::hooks::xdp {

/// What went wrong: a positive errno and a message (lower case, no period).
struct Failure {
    int error = 0;
    std::string message;

    /// Prepends "`context`: ".
    Failure&& in(std::string_view context) && {
        message.insert(0, std::string(context) + ": ");
        return std::move(*this);
    }
};

template <typename T>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> failure(int error, std::string message) {
    return std::unexpected<Failure>(Failure{error, std::move(message)});
}

/// A failure of a system call: "`what`: text of `error`".
inline std::unexpected<Failure> system_failure(int error, std::string_view what) {
    char buffer[128];
    return failure(error, std::string(what) + ": " + strerror_r(error, buffer, sizeof(buffer)));
}

}  // namespace ebpf::hooks::xdp
