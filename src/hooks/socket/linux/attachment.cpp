// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/attachment.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>

namespace ebpf::hooks::socket {

ebpf_task as_told(const Task& task) {
    const auto both = [](std::uint32_t upper, std::uint32_t lower) {
        return std::uint64_t{upper} << 32U | lower;
    };
    ebpf_task told{};
    told.pid_tgid = both(static_cast<std::uint32_t>(task.process), static_cast<std::uint32_t>(task.thread));
    told.uid_gid = both(task.gid, task.uid);
    static_assert(sizeof told.name == sizeof task.name);
    std::copy(task.name.begin(), task.name.end(), told.name);
    return told;
}

std::int64_t run_once(Attachment& attachment, const ebpf_task& task, void* context) {
    const ebpf_hook_dispatch& dispatch = *attachment.dispatch;
    ebpf_hook_thread* thread = nullptr;
    if (dispatch.thread_enter(attachment.point, &thread) != 0) return -ENOMEM;
    dispatch.run_for(thread, &task);
    dispatch.batch_begin(thread);
    const std::uint64_t result = dispatch.invoke(attachment.point, thread, context);
    dispatch.batch_end(thread);
    dispatch.thread_leave(thread);
    count(attachment.calls);
    return static_cast<std::uint32_t>(result);
}

Attachment* Place::add(const ebpf_hook_dispatch& dispatch, void* point) {
    static std::atomic<std::uint64_t> last_serial = 0;
    const std::lock_guard guard(mutex_);
    if (attachment_) return nullptr;
    attachment_ = std::make_unique<Attachment>();
    attachment_->dispatch = &dispatch;
    attachment_->point = point;
    attachment_->serial = ++last_serial;
    return attachment_.get();
}

void Place::remove(const Attachment* attachment) {
    const std::lock_guard guard(mutex_);
    if (attachment_.get() == attachment) attachment_.reset();
}

bool Place::is_empty() const {
    return !Use(*this);
}

}  // namespace ebpf::hooks::socket
