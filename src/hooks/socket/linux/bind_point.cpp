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

int BindPoint::decide(Bound& bound) {
    const Use attachment(*this);
    if (!attachment) return 0;
    bound.attachment = attachment->serial;
    ebpf_bind_context context = context_of(bound, kBind);
    const std::int64_t verdict = run_once(*attachment, as_told(bound.task), &context);
    if (verdict < 0) return static_cast<int>(verdict);
    if (verdict == kDeny) {
        count(attachment->denials);
        return -EPERM;
    }
    if (verdict == kRedirect && write_address(context, bound.address)) count(attachment->changes);
    return 0;
}

void BindPoint::tell_bound(const Bound& bound) {
    tell(bound, kPostBind);
}

void BindPoint::tell_unbound(const Bound& bound) {
    tell(bound, kUnbind);
}

void BindPoint::tell(const Bound& bound, std::uint32_t operation) {
    const Use attachment(*this);
    if (!attachment || bound.attachment != attachment->serial) return;
    ebpf_bind_context context = context_of(bound, operation);
    static_cast<void>(run_once(*attachment, as_told(bound.task), &context));
}

}  // namespace ebpf::hooks::socket
