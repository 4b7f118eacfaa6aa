// SPDX-License-Identifier: MIT
// ebpf/embed.h: hooks, and running their programs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/try.hpp"
#include "embedding/handles.hpp"

namespace ebpf::embedding {
namespace {

using runtime::LinkObject;
using runtime::ProgramObject;
using runtime::Ref;

// The provider's side. Invocations see a link from here on, and until it is taken out again.
int attach(void* provider, const ebpf_attach_request*, const ebpf_hook_dispatch*, void* link,
           void** attachment, char* reason, std::size_t reason_bytes) noexcept {
    auto& hook = *static_cast<ebpf_hook*>(provider);
    void* none = nullptr;
    if (!hook.link.compare_exchange_strong(none, link)) {
        constexpr std::string_view kText = "another program is attached to the hook";
        Reason(reason, reason_bytes).write(kText);
        return to_errno(Status::Busy);
    }
    *attachment = &hook;
    return 0;
}

void detach(void*, void* attachment) noexcept {
    auto& hook = *static_cast<ebpf_hook*>(attachment);
    hook.link.store(nullptr);
    hook.context->runtime().wait_for_invocations();
}

Result<ebpf_hook*> define(ebpf_context& context, const ebpf_program_type& type, std::uint64_t result) {
    EBPF_TRY(const auto registered, context.service().program_types().add(type, context.runtime()));
    const std::lock_guard guard(context.mutex);
    ebpf_hook& hook = context.hooks.emplace_back();
    hook.context = &context;
    hook.type = registered;
    hook.result = result;
    hook.dispatch = &runtime::Context::dispatch(registered->number);
    ebpf_hook_provider& provider = hook.provider;
    provider.version = EBPF_HOOK_ABI_VERSION;
    provider.size = sizeof(provider);
    provider.name = registered->info.name.c_str();
    provider.program_type = static_cast<std::uint32_t>(registered->number);
    provider.provider = &hook;
    provider.attach = attach;
    provider.detach = detach;
    const Status status = context.runtime().register_provider(&hook.provider);
    if (status == Status::Ok) return &hook;
    context.hooks.pop_back();
    return fail(status, fmt::format("hook '{}': {}", registered->info.name, status_text(status)));
}

/// The program that the caller names, of the hook's type.
Result<Ref<ProgramObject>> find_program(const ebpf_hook& hook, const ebpf_object& object, const char* name) {
    EBPF_TRY(const auto* spec, client::find_program(object.spec, name == nullptr ? "" : name));
    if (spec->type != hook.type->number) {
        return fail(Status::InvalidArgument, fmt::format("program '{}' of section '{}' is not for hook '{}'",
                                                         spec->name, spec->section, hook.type->info.name));
    }
    const auto& programs = object.loaded.programs;
    const auto loaded = std::ranges::find(programs, spec, &client::LoadedProgram::spec);
    if (loaded == programs.end()) return fail(Status::NotFound, fmt::format("program '{}'", spec->name));
    const std::lock_guard guard(hook.context->mutex);
    EBPF_TRY(const auto details, hook.context->client->program_info(loaded->offered.program));
    auto program = hook.context->runtime().find_program(details.id);
    if (!program) return fail(program.error(), fmt::format("program '{}'", spec->name));
    return *std::move(program);
}

Result<void> attach_or_replace(ebpf_hook& hook, const Ref<ProgramObject>& program) {
    runtime::Context& context = hook.context->runtime();
    const std::lock_guard guard(hook.mutex);
    if (hook.attached && hook.attached->is_attached()) {
        const Status status = context.update_link(*hook.attached, program);
        if (status == Status::Ok) return {};
        return fail(status, fmt::format("replacing the program of hook '{}'", hook.type->info.name));
    }
    ebpf_attach_request request{};
    request.version = EBPF_HOOK_ABI_VERSION;
    request.size = sizeof(request);
    std::array<char, 256> reason{};
    auto link = context.create_link(program, request, reason);
    if (!link) return fail(link.error(), fmt::format("hook '{}': {}", hook.type->info.name, reason.data()));
    hook.attached = *std::move(link);
    return {};
}

}  // namespace
}  // namespace ebpf::embedding

using ebpf::Result;
using ebpf::Status;
using ebpf::embedding::Reason;

int ebpf_hook_define(ebpf_context* context, const ebpf_program_type* type, uint64_t result, ebpf_hook** hook,
                     char* reason, size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        EBPF_TRY(*hook, ebpf::embedding::define(*context, *type, result));
        return {};
    });
}

int ebpf_hook_attach(ebpf_hook* hook, const ebpf_object* object, const char* name, char* reason,
                     size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        if (object->context != hook->context)
            return ebpf::fail(Status::InvalidArgument, "hook and object belong to different contexts");
        EBPF_TRY(const auto program, ebpf::embedding::find_program(*hook, *object, name));
        return ebpf::embedding::attach_or_replace(*hook, program);
    });
}

int ebpf_hook_detach(ebpf_hook* hook) {
    const std::lock_guard guard(hook->mutex);
    if (!hook->attached) return ebpf::embedding::to_errno(Status::NotAttached);
    const Status status = hook->context->runtime().detach(*hook->attached);
    hook->attached.reset();
    return ebpf::embedding::to_errno(status);
}

int ebpf_hook_statistics(ebpf_hook* hook, ebpf_hook_counts* statistics) {
    if (statistics->version != EBPF_EMBED_ABI_VERSION || statistics->size != sizeof(*statistics))
        return ebpf::embedding::to_errno(Status::VersionMismatch);
    statistics->program_id = 0;
    statistics->reserved = 0;
    statistics->run_count = 0;
    statistics->run_time_ns = 0;
    const std::lock_guard guard(hook->mutex);
    if (!hook->attached || !hook->attached->is_attached()) return 0;
    const auto program = hook->attached->program();
    statistics->program_id = program->id();
    statistics->run_count = program->run_count();
    statistics->run_time_ns = program->run_time_ns();
    return 0;
}

uint64_t ebpf_invoke(ebpf_hook* hook, ebpf_hook_thread* thread, void* argument) {
    void* const link = hook->link.load(std::memory_order_acquire);
    if (link == nullptr) return hook->result;
    return hook->dispatch->invoke(link, thread, argument);
}

void ebpf_invoke_all(ebpf_hook* hook, ebpf_hook_thread* thread, void* const* arguments, uint64_t* results,
                     size_t count) {
    void* const link = hook->link.load(std::memory_order_acquire);
    if (link == nullptr) {
        std::fill_n(results, count, hook->result);
    } else {
        hook->dispatch->invoke_all(link, thread, arguments, results, count);
    }
}

uint64_t ebpf_run(ebpf_hook* hook, ebpf_hook_thread* thread, void* argument) {
    ebpf_batch_begin(thread);
    const uint64_t result = ebpf_invoke(hook, thread, argument);
    ebpf_batch_end(thread);
    return result;
}

void ebpf_run_all(ebpf_hook* hook, ebpf_hook_thread* thread, void* const* arguments, uint64_t* results,
                  size_t count) {
    ebpf_batch_begin(thread);
    ebpf_invoke_all(hook, thread, arguments, results, count);
    ebpf_batch_end(thread);
}
