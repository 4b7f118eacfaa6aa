// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/chain.hpp"

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {

int Chain::run(ebpf_sock_addr_context& context, const Task& task) {
    const Use attachment(*this);
    if (!attachment) return 0;
    const ebpf_sock_addr_context before = context;
    const std::int64_t result = run_once(*attachment, as_told(task), &context);
    if (result < 0) return static_cast<int>(result);
    context.reserved = 0;
    if (std::memcmp(&before, &context, sizeof context) != 0) count(attachment->changes);
    if (result == 1) return 0;
    count(attachment->denials);
    return -EPERM;
}

int Chain::run(ebpf_sock_context& context, const Task& task) {
    const Use attachment(*this);
    if (!attachment) return 0;
    const std::int64_t result = run_once(*attachment, as_told(task), &context);
    if (result < 0) return static_cast<int>(result);
    if (result == 1) return 0;
    count(attachment->denials);
    return -EPERM;
}

}  // namespace ebpf::hooks::socket
