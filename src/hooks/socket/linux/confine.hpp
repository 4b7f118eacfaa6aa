// SPDX-License-Identifier: MIT
// Landlock as a second wall around hooked processes.
#pragma once

namespace ebpf::hooks::socket {

/// Takes the calling thread's right to bind and connect TCP sockets itself, for good, and with it the right
/// to trace processes outside; its supervisor, which is not confined, goes on doing it for it. So what the
/// kernel carries out after a notification (sockets of other families) can never be a TCP socket that a
/// second thread put in place. Requires: no_new_privs. Returns false where the kernel has no such rules
/// (Landlock ABI 4, Linux 6.7). Safe between fork() and exec().
bool confine_tcp() noexcept;

}  // namespace ebpf::hooks::socket
