// SPDX-License-Identifier: MIT
// Starting a process under the filter, and getting the filter's listener.
#pragma once

#include <functional>
#include <span>

#include "hooks/socket/hooks.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// Starts `command`; hands the listener and the process id to `take` before the program is executed, and
/// executes it unless that fails.
Started launch(const Command& command, std::span<const int> unblocked,
               const std::function<Result<void>(platform::Descriptor, int)>& take);

}  // namespace ebpf::hooks::socket
