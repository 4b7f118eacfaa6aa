// SPDX-License-Identifier: MIT
// Which capabilities the process lacks for the hook.
#pragma once

#include "hooks/xdp/linux/failure.hpp"

namespace ebpf::hooks::xdp {

/// Errors: EPERM - naming each of CAP_NET_ADMIN and CAP_NET_RAW that is not effective.
Outcome<void> require_privileges();

}  // namespace ebpf::hooks::xdp
