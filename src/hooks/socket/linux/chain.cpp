// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/chain.hpp"

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

/// Runs one program. Returns a negative errno, or r0.
std::int64_t run_one(Attachment& attachment, ebpf_sock_addr_context& context, const ebpf_task& task) {
    const ebpf_sock_addr_context before = context;
    const std::int64_t result = run_once(attachment, task, &context);
    if (result < 0) return result;
    context.reserved = 0;
    if (result != 1) count(attachment.denials);
    if (std::memcmp(&before, &context, sizeof context) != 0) count(attachment.changes);
    return result == 1 ? 1 : 0;
}

}  // namespace

Attachment* Chain::add(const ebpf_hook_dispatch& dispatch, void* link) {
    auto attachment = std::make_unique<Attachment>();
    attachment->dispatch = &dispatch;
    attachment->link = link;
    const std::lock_guard guard(mutex_);
    attachments_.push_back(std::move(attachment));
    return attachments_.back().get();
}

void Chain::remove(Attachment* attachment) {
    const std::lock_guard guard(mutex_);
    std::erase_if(attachments_, [attachment](const auto& one) { return one.get() == attachment; });
}

bool Chain::is_empty() {
    const std::lock_guard guard(mutex_);
    return attachments_.empty();
}

// As Linux does at cgroups: all run, so that programs that only count miss nothing.
int Chain::run(ebpf_sock_addr_context& context, const Task& task) {
    const std::lock_guard guard(mutex_);
    const ebpf_task told = as_told(task);
    int result = 0;
    for (const auto& attachment : attachments_) {
        const std::int64_t answer = run_one(*attachment, context, told);
        if (answer < 0) result = static_cast<int>(answer);
        if (answer == 0 && result == 0) result = -EPERM;
    }
    return result;
}

}  // namespace ebpf::hooks::socket
