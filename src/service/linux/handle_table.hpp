// SPDX-License-Identifier: MIT
// HandleTable: objects that clients hold by file descriptor.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/error.hpp"
#include "platform/linux/descriptor.hpp"
#include "service/service.hpp"

namespace ebpf::service {

/// A handle is one end of a socket pair. The client may duplicate, inherit and pass on its end; when the last
/// copy is closed, the other end, which stays here, hangs up. A descriptor that comes in is recognised by its
/// socket's cookie, which the kernel gives once and nobody can forge. Threads: one, that of the event loop.
/// Source: Linux man page unix(7), socket(7) SO_COOKIE.
class HandleTable {
  public:
    using Key = std::uint64_t;

    /// Makes a handle; `key` identifies it, `owner` is counted for it. The result is the end for the client.
    /// Errors: Environment.
    Result<platform::Descriptor> add(Key key, ObjectRef object, Key owner);
    /// Returns the end that hangs up. Requires: `key` exists.
    [[nodiscard]] int watched(Key key) const { return entries_.at(key).watched.number(); }
    /// Finds what a client's descriptor stands for. Errors: BadHandle - it is no handle, or no longer one.
    [[nodiscard]] Result<ObjectRef> find(const platform::Descriptor& descriptor) const;
    /// Gives the object back after its last close. Returns it, so that the caller decides where it may go.
    ObjectRef remove(Key key);
    /// Number of handles that were made for `owner` and are still open.
    [[nodiscard]] std::size_t count(Key owner) const;
    void clear();

  private:
    struct Entry {
        ObjectRef object;
        platform::Descriptor watched;
        std::uint64_t cookie = 0;
        Key owner = 0;
    };

    std::unordered_map<Key, Entry> entries_;
    std::unordered_map<std::uint64_t, Key> by_cookie_;
    std::unordered_map<Key, std::size_t> counts_;
};

}  // namespace ebpf::service
