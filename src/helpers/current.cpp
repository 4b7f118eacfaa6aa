// SPDX-License-Identifier: MIT
// Helpers that ask for whom the program runs. Source: Linux kernel/bpf/helpers.c, bpf_get_current_*.
#include <algorithm>
#include <span>

#include "helpers/implementation.hpp"

namespace ebpf::helpers {
namespace {

using engine::Task;
using engine::TaskPart;

/// Returns the task, of which at least `part` is filled in.
Task task_of(const engine::Invocation& invocation, TaskPart part) noexcept {
    if (invocation.task != nullptr) return *invocation.task;
    Task task;
    invocation.services->current_task(invocation.services->owner, part, task);
    return task;
}

}  // namespace

std::uint64_t get_current_pid_tgid(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                   engine::Invocation& invocation) noexcept {
    return task_of(invocation, TaskPart::Ids).pid_tgid;
}

std::uint64_t get_current_uid_gid(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                  engine::Invocation& invocation) noexcept {
    return task_of(invocation, TaskPart::User).uid_gid;
}

std::uint64_t get_current_comm(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t,
                               std::uint64_t, engine::Invocation& invocation) noexcept {
    const Task task = task_of(invocation, TaskPart::Name);
    const std::span<char> buffer(as_pointer<char>(r1), static_cast<std::size_t>(r2));
    const auto end = std::ranges::find(task.name, '\0');
    const auto bytes = std::min(static_cast<std::size_t>(end - std::begin(task.name)), buffer.size() - 1);
    std::ranges::fill(buffer, '\0');
    std::copy_n(std::begin(task.name), bytes, buffer.begin());
    return 0;
}

}  // namespace ebpf::helpers
