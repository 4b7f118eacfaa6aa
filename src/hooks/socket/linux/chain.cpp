// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/chain.hpp"

#include <cerrno>
#include <cstring>
#include <mutex>

namespace ebpf::hooks::socket {

Attachment* Chain::add(const ebpf_hook_dispatch& dispatch, void* point) {
    const std::lock_guard guard(mutex_);
    if (attachment_) return nullptr;
    attachment_ = std::make_unique<Attachment>();
    attachment_->dispatch = &dispatch;
    attachment_->point = point;
    return attachment_.get();
}

void Chain::remove(const Attachment* attachment) {
    const std::lock_guard guard(mutex_);
    if (attachment_.get() == attachment) attachment_.reset();
}

bool Chain::is_empty() {
    const std::shared_lock guard(mutex_);
    return !attachment_;
}

int Chain::run(ebpf_sock_addr_context& context, const Task& task) {
    const std::shared_lock guard(mutex_);
    if (!attachment_) return 0;
    const ebpf_sock_addr_context before = context;
    const std::int64_t result = run_once(*attachment_, as_told(task), &context);
    if (result < 0) return static_cast<int>(result);
    context.reserved = 0;
    if (std::memcmp(&before, &context, sizeof context) != 0) count(attachment_->changes);
    if (result == 1) return 0;
    count(attachment_->denials);
    return -EPERM;
}

}  // namespace ebpf::hooks::socket
