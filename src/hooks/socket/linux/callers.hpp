// SPDX-License-Identifier: MIT
// The threads that call, remembered between their calls: to open a thread and its file in /proc anew costs as
// much as all the rest of a call.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <unordered_map>

#include "hooks/socket/linux/target.hpp"
#include "platform/linux/descriptor.hpp"

namespace ebpf::hooks::socket {

/// What is remembered holds on to the thread that had the id then, so that it never tells of another one that
/// got the same id: then it is opened anew. Threads: one.
class Callers {
  public:
    /// Opens the caller's descriptor `fd`: the same open file. Errors: negative errno, as the caller shall
    /// see it.
    std::expected<platform::Descriptor, int> take_descriptor(int thread, int fd);
    /// Reads who `thread` is. Errors: negative errno.
    std::expected<Task, int> who(int thread);
    /// Reads the path of what `thread` executes; empty: the kernel does not tell. Throws bad_alloc.
    std::string application(int thread);

  private:
    struct Caller {
        platform::Descriptor task;  ///< a pidfd
        platform::Descriptor name;  ///< /proc/TID/comm
        platform::Descriptor path;  ///< /proc/TID/exe, the symbolic link itself
    };
    /// When there are more, all are forgotten; each holds three descriptors.
    static constexpr std::size_t kMost = 64;

    Caller& remember(int thread);
    /// Does `what` with the caller; once more with one opened anew if that thread has ended.
    template <typename What>
    auto with(int thread, const What& what);

    std::unordered_map<int, Caller> callers_;
    bool has_info_ = true;  ///< the kernel may have PIDFD_GET_INFO
};

}  // namespace ebpf::hooks::socket
