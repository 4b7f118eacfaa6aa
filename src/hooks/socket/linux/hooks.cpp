// SPDX-License-Identifier: MIT
// The providers' C functions: check the request, turn failures into errno and reason, let no exception out.
#include "hooks/socket/hooks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include "hooks/socket/linux/launch.hpp"
#include "hooks/socket/linux/supervisor.hpp"

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

/// The C view of a chain.
struct ChainProvider {
    ebpf_hook_provider abi{};
    AttachType type = AttachType::Inet4Bind;
    Chain* chain = nullptr;
};

int refuse(int error, std::string_view text, char* reason, std::size_t reason_bytes) {
    if (reason != nullptr && reason_bytes > 0) {
        const std::size_t length = std::min(text.size(), reason_bytes - 1);
        std::memcpy(reason, text.data(), length);
        reason[length] = '\0';
    }
    return -error;
}

int attach(void* provider, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch, void* link,
           void** attachment, char* reason, std::size_t reason_bytes) {
    const auto fail = [&](int error, std::string_view text) {
        return refuse(error, text, reason, reason_bytes);
    };
    auto& self = *static_cast<ChainProvider*>(provider);
    if (request->version != EBPF_HOOK_ABI_VERSION || request->size < sizeof(*request) ||
        dispatch->version != EBPF_HOOK_ABI_VERSION || dispatch->size < sizeof(*dispatch)) {
        return fail(EPROTO, "the hook and the runtime speak different versions of the hook interface");
    }
    if (request->attach_type != static_cast<std::uint32_t>(self.type))
        return fail(EINVAL, "the attach type is another hook's");
    if (request->ifindex != 0) return fail(EINVAL, "socket hooks are at no network interface");
    if (request->flags != 0) return fail(EINVAL, "socket hooks take no attach flags");
    try {
        *attachment = self.chain->add(*dispatch, link);
        return 0;
    } catch (const std::bad_alloc&) {
        return fail(ENOMEM, "out of memory");
    }
}

void detach(void* provider, void* attachment) {
    static_cast<ChainProvider*>(provider)->chain->remove(static_cast<Attachment*>(attachment));
}

std::size_t counters(void*, void* attachment, ebpf_hook_counter* rows, std::size_t capacity) {
    const auto& counted = *static_cast<Attachment*>(attachment);
    const std::pair<std::string_view, std::uint64_t> all[] = {
        {"calls", counted.calls}, {"denials", counted.denials}, {"changes", counted.changes}};
    for (std::size_t i = 0; i < std::min(capacity, std::size(all)); ++i) {
        rows[i] = {};
        all[i].first.copy(rows[i].name, sizeof rows[i].name - 1);
        rows[i].value = all[i].second;
    }
    return std::size(all);
}

}  // namespace

struct SocketHooks::State {
    Chains chains;
    std::vector<ChainProvider> providers;
    std::vector<const ebpf_hook_provider*> abis;
    std::mutex mutex;
    std::list<Supervisor> supervisors;
};

SocketHooks::SocketHooks() : state_(std::make_unique<State>()) {
    for (const spec::AttachTypeSpec& row : spec::attach_types()) {
        ChainProvider& provider = state_->providers.emplace_back();
        provider.type = row.type;
        provider.chain = &state_->chains.at(row.type);
        provider.abi = {.version = EBPF_HOOK_ABI_VERSION,
                        .size = sizeof(ebpf_hook_provider),
                        .name = row.name,
                        .program_type = static_cast<std::uint32_t>(row.program),
                        .attach_type = static_cast<std::uint32_t>(row.type),
                        .provider = nullptr,
                        .attach = attach,
                        .detach = detach,
                        .counters = counters};
    }
    for (ChainProvider& provider : state_->providers) {
        provider.abi.provider = &provider;
        state_->abis.push_back(&provider.abi);
    }
}

SocketHooks::~SocketHooks() = default;

std::span<const ebpf_hook_provider* const> SocketHooks::providers() const noexcept {
    return state_->abis;
}

Started SocketHooks::start(const Command& command, std::span<const int> unblocked) {
    return launch(command, unblocked, [this](platform::Descriptor listener) {
        const std::lock_guard guard(state_->mutex);
        state_->supervisors.emplace_back(std::move(listener), state_->chains);
    });
}

}  // namespace ebpf::hooks::socket
