// SPDX-License-Identifier: MIT
// ebpf/embed.h: contexts, and threads that run programs.
#include <algorithm>

#include "base/try.hpp"
#include "embedding/handles.hpp"

namespace ebpf::embedding {
namespace {

Result<void> check_options(const ebpf_context_options& options) {
    if (options.version != EBPF_EMBED_ABI_VERSION || options.size != sizeof(options))
        return fail(Status::VersionMismatch, "context options of another version or size");
    if ((options.flags & ~EBPF_CONTEXT_INTERPRET) != 0 || options.reserved != 0)
        return fail(Status::InvalidArgument, "context options: flags are unknown, or `reserved` is set");
    return {};
}

void trace_line(void* owner, const char* text, std::size_t bytes) noexcept {
    const auto& context = *static_cast<const ebpf_context*>(owner);
    context.trace(context.trace_owner, text, bytes);
}

Result<std::unique_ptr<ebpf_context>> make(const ebpf_context_options* options) {
    auto context = std::make_unique<ebpf_context>();
    client::LocalBackend::Options backend;
    if (options != nullptr) {
        EBPF_TRY_VOID(check_options(*options));
        context->is_interpreting = (options->flags & EBPF_CONTEXT_INTERPRET) != 0;
        backend.code_policy.is_code_integrity_enforced = context->is_interpreting;
        if (options->trace != nullptr) {
            context->trace = options->trace;
            context->trace_owner = options->trace_owner;
            backend.trace = trace_line;
            backend.trace_owner = context.get();
        }
    }
    EBPF_TRY(context->backend, client::LocalBackend::create(backend));
    context->client = std::make_unique<client::Client>(*context->backend);
    return context;
}

}  // namespace

void Reason::write(std::string_view text) const {
    if (bytes_ == 0) return;
    const std::size_t length = std::min(text.size(), bytes_ - 1);
    text.copy(text_, length);
    text_[length] = '\0';
}

}  // namespace ebpf::embedding

using ebpf::Result;
using ebpf::embedding::Reason;

int ebpf_context_create(const ebpf_context_options* options, ebpf_context** context, char* reason,
                        size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        EBPF_TRY(auto made, ebpf::embedding::make(options));
        *context = made.release();
        return {};
    });
}

void ebpf_context_destroy(ebpf_context* context) {
    if (context == nullptr) return;
    context->server.reset();
    for (ebpf_hook& hook : context->hooks) {
        static_cast<void>(ebpf_hook_detach(&hook));
        // Links that clients of the socket made have gone with it.
        static_cast<void>(context->runtime().unregister_provider(&hook.provider));
    }
    delete context;
}

void ebpf_context_measure_times(ebpf_context* context, int is_wanted) {
    context->runtime().set_stats_enabled(is_wanted != 0);
}

int ebpf_context_serve(ebpf_context* context, const char* path, char* reason, size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        const std::lock_guard guard(context->mutex);
        if (context->server != nullptr)
            return ebpf::fail(ebpf::Status::AlreadyExists, "the context is served already");
        EBPF_TRY(context->server, ebpf::embedding::serve(context->service(), path));
        return {};
    });
}

int ebpf_context_load_extension(ebpf_context* context, const char* path, char* reason, size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes), [&]() -> Result<void> {
        EBPF_TRY_VOID(context->service().load_extension(path));
        return {};
    });
}

int ebpf_context_unload_extension(ebpf_context* context, const char* name, char* reason,
                                  size_t reason_bytes) {
    return ebpf::embedding::answer(Reason(reason, reason_bytes),
                                   [&] { return context->service().extensions().unload(name); });
}

int ebpf_thread_enter(ebpf_context* context, ebpf_hook_thread** thread) {
    const auto entered = context->runtime().enter_thread();
    if (!entered) return ebpf::embedding::to_errno(entered.error());
    *thread = *entered;
    return 0;
}

namespace {

/// Threads and batches are the same for all program types.
const ebpf_hook_dispatch& common_dispatch() {
    return ebpf::runtime::Context::dispatch(ebpf::spec::ProgramType::Unspecified);
}

}  // namespace

void ebpf_thread_leave(ebpf_hook_thread* thread) {
    if (thread != nullptr) common_dispatch().thread_leave(thread);
}

void ebpf_batch_begin(ebpf_hook_thread* thread) {
    common_dispatch().batch_begin(thread);
}

void ebpf_batch_end(ebpf_hook_thread* thread) {
    common_dispatch().batch_end(thread);
}
