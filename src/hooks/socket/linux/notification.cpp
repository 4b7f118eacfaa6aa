// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/notification.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ebpf::hooks::socket {
namespace {

// Since Linux 6.6: the answering thread's processor runs the caller next.
constexpr unsigned long kSetFlags = _IOW('!', 4, std::uint64_t);
constexpr std::uint64_t kSyncWakeUp = 1;

}  // namespace

Listener::Listener(platform::Descriptor listener, const Ledger* ledger)
    : listener_(std::move(listener)), ledger_(ledger) {
    static_cast<void>(ioctl(listener_.number(), kSetFlags, kSyncWakeUp));  // only speed depends on it
}

std::optional<Call> Listener::receive() const {
    // The kernel copies as much as it knows: room for a longer structure of a later one.
    union {
        seccomp_notif notification;
        std::array<std::byte, 256> room;
    } received{};
    received.room.fill(std::byte{0});
    if (ioctl(listener_.number(), SECCOMP_IOCTL_NOTIF_RECV, &received) != 0) return std::nullopt;
    const seccomp_notif& notification = received.notification;
    if (ledger_ != nullptr)
        ledger_->note(notification.id, [this](std::uint64_t noted) { return !is_waiting(noted); });
    Call call;
    call.id = notification.id;
    call.thread = static_cast<int>(notification.pid);
    call.number = notification.data.nr;
    std::copy(std::begin(notification.data.args), std::end(notification.data.args), call.arguments.begin());
    return call;
}

bool Listener::is_waiting(std::uint64_t id) const {
    return ioctl(listener_.number(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool Listener::send(std::uint64_t id, int result, std::uint32_t flags) const {
    seccomp_notif_resp response{};
    response.id = id;
    response.val = std::max(result, 0);
    response.error = std::min(result, 0);
    response.flags = flags;
    const bool is_sent = ioctl(listener_.number(), SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
    if (ledger_ != nullptr) ledger_->strike(id);
    return is_sent;
}

bool Listener::answer(std::uint64_t id, int result) const {
    return send(id, result, 0);
}

int Listener::answer_with_descriptor(std::uint64_t id, int descriptor, bool is_closed_on_exec) const {
    seccomp_notif_addfd given{};
    given.id = id;
    given.flags = SECCOMP_ADDFD_FLAG_SEND;
    given.srcfd = static_cast<std::uint32_t>(descriptor);
    given.newfd_flags = is_closed_on_exec ? O_CLOEXEC : 0;
    if (ioctl(listener_.number(), SECCOMP_IOCTL_NOTIF_ADDFD, &given) < 0) return -errno;
    if (ledger_ != nullptr) ledger_->strike(id);
    return 0;
}

void Listener::let_continue(std::uint64_t id) const {
    static_cast<void>(send(id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));  // fails: the caller has gone
}

}  // namespace ebpf::hooks::socket
