// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/bind_point.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ebpf/contexts.h"

namespace ebpf::hooks::socket {
namespace {

// Of include/bpf_program/ebpf_nethooks.h.
constexpr std::uint32_t kBind = 0;
constexpr std::uint32_t kPostBind = 1;
constexpr std::uint32_t kUnbind = 2;
constexpr std::int64_t kDeny = 1;
constexpr std::int64_t kRedirect = 2;

constexpr std::size_t kFamilyBytes = sizeof(sa_family_t);

ebpf_bind_context context_of(const Bound& bound, std::uint32_t operation) {
    ebpf_bind_context context{};
    const char* name = bound.application.data();
    // Programs may only read it.
    context.app_id_start = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(name));
    context.app_id_end = context.app_id_start + bound.application.size();
    context.process_id = static_cast<std::uint64_t>(bound.task.process);
    const std::size_t size = std::min<std::size_t>(sizeof context.address, bound.address.length);
    std::memcpy(&context.address, &bound.address.bytes, size);
    if (context.family == AF_UNSPEC) context.family = AF_INET;  // an old spelling of it, for binds
    context.operation = operation;
    context.socket_address_length =
        static_cast<std::uint8_t>(context.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    context.protocol = bound.protocol;
    return context;
}

/// Makes `address` what the program wrote, but for the family. Returns whether it is another one then.
bool write_address(const ebpf_bind_context& context, Address& address) {
    auto* to = reinterpret_cast<std::byte*>(&address.bytes) + kFamilyBytes;
    const auto* from = reinterpret_cast<const std::byte*>(&context.address) + kFamilyBytes;
    const std::size_t size = std::min<std::size_t>(sizeof context.address, address.length) - kFamilyBytes;
    if (std::memcmp(to, from, size) == 0) return false;
    std::memcpy(to, from, size);
    return true;
}

}  // namespace

Attachment* BindPoint::add(const ebpf_hook_dispatch& dispatch, void* point) {
    const std::lock_guard guard(mutex_);
    if (attachment_) return nullptr;
    attachment_ = std::make_unique<Attachment>();
    attachment_->dispatch = &dispatch;
    attachment_->point = point;
    ++serial_;
    return attachment_.get();
}

void BindPoint::remove(const Attachment* attachment) {
    const std::lock_guard guard(mutex_);
    if (attachment_.get() == attachment) attachment_.reset();
}

bool BindPoint::is_empty() {
    const std::lock_guard guard(mutex_);
    return !attachment_;
}

std::int64_t BindPoint::run(const Bound& bound, std::uint32_t operation, ebpf_bind_context& context) {
    context = context_of(bound, operation);
    return run_once(*attachment_, as_told(bound.task), &context);
}

int BindPoint::decide(Bound& bound) {
    const std::lock_guard guard(mutex_);
    if (!attachment_) return 0;
    bound.attachment = serial_;
    ebpf_bind_context context;
    const std::int64_t verdict = run(bound, kBind, context);
    if (verdict < 0) return static_cast<int>(verdict);
    if (verdict == kDeny) {
        count(attachment_->denials);
        return -EPERM;
    }
    if (verdict == kRedirect && write_address(context, bound.address)) count(attachment_->changes);
    return 0;
}

void BindPoint::tell_bound(const Bound& bound) {
    tell(bound, kPostBind);
}

void BindPoint::tell_unbound(const Bound& bound) {
    tell(bound, kUnbind);
}

void BindPoint::tell(const Bound& bound, std::uint32_t operation) {
    const std::lock_guard guard(mutex_);
    if (!attachment_ || bound.attachment != serial_) return;
    ebpf_bind_context context;
    static_cast<void>(run(bound, operation, context));
}

}  // namespace ebpf::hooks::socket
