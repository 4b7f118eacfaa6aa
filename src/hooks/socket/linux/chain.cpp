// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/chain.hpp"

#include <cerrno>
#include <cstring>

namespace ebpf::hooks::socket {
namespace {

void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

/// Runs one program. Returns a negative errno, or r0.
int run_one(Attachment& attachment, ebpf_sock_addr_context& context, const ebpf_task& task) {
    const ebpf_hook_dispatch& dispatch = *attachment.dispatch;
    ebpf_hook_thread* thread = nullptr;
    if (dispatch.thread_enter(attachment.link, &thread) != 0) return -ENOMEM;
    const ebpf_sock_addr_context before = context;
    dispatch.run_for(thread, &task);
    dispatch.batch_begin(thread);
    const std::uint64_t result = dispatch.invoke(attachment.link, thread, &context);
    dispatch.batch_end(thread);
    dispatch.thread_leave(thread);
    context.reserved = 0;
    count(attachment.calls);
    if (result != 1) count(attachment.denials);
    if (std::memcmp(&before, &context, sizeof context) != 0) count(attachment.changes);
    return result == 1 ? 1 : 0;
}

}  // namespace

Attachment* Chain::add(const ebpf_hook_dispatch& dispatch, void* link) {
    auto attachment = std::make_unique<Attachment>();
    attachment->chain = this;
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
int Chain::run(ebpf_sock_addr_context& context, const ebpf_task& task) {
    const std::lock_guard guard(mutex_);
    int result = 0;
    for (const auto& attachment : attachments_) {
        const int answer = run_one(*attachment, context, task);
        if (answer < 0) result = answer;
        if (answer == 0 && result == 0) result = -EPERM;
    }
    return result;
}

}  // namespace ebpf::hooks::socket
