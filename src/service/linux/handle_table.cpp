// SPDX-License-Identifier: MIT
#include "service/linux/handle_table.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ebpf::service {
namespace {

/// Returns the cookie of a socket, or 0 if `descriptor` is none.
std::uint64_t cookie_of(const platform::Descriptor& descriptor) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (getsockopt(descriptor.number(), SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return 0;
    return cookie;
}

}  // namespace

Result<platform::Descriptor> HandleTable::add(Key key, ObjectRef object, Key owner) {
    std::array<int, 2> ends{-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        return fail(Status::Environment, fmt::format("making a handle: {}", std::strerror(errno)));
    }
    Entry entry;
    platform::Descriptor given(ends[0]);
    entry.watched.reset(ends[1]);
    entry.cookie = cookie_of(given);
    if (entry.cookie == 0)
        return fail(Status::Environment, "making a handle: the host gives sockets no cookies");
    entry.object = std::move(object);
    entry.owner = owner;
    by_cookie_[entry.cookie] = key;
    ++counts_[owner];
    entries_.insert_or_assign(key, std::move(entry));
    return given;
}

Result<ObjectRef> HandleTable::find(const platform::Descriptor& descriptor) const {
    const auto found = by_cookie_.find(cookie_of(descriptor));
    if (found == by_cookie_.end())
        return fail(Status::BadHandle, "a descriptor is no handle of this context");
    return entries_.at(found->second).object;
}

ObjectRef HandleTable::remove(Key key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return {};
    by_cookie_.erase(found->second.cookie);
    if (--counts_[found->second.owner] == 0) counts_.erase(found->second.owner);
    ObjectRef object = std::move(found->second.object);
    entries_.erase(found);
    return object;
}

std::size_t HandleTable::count(Key owner) const {
    const auto found = counts_.find(owner);
    return found == counts_.end() ? 0 : found->second;
}

void HandleTable::clear() {
    entries_.clear();
    by_cookie_.clear();
    counts_.clear();
}

}  // namespace ebpf::service
