// SPDX-License-Identifier: MIT
// The providers' C functions: check the request, turn failures into errno and reason, let no exception out.
#include "hooks/socket/hooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "hooks/provider/refusal.hpp"
#include "hooks/socket/linux/launch.hpp"
#include "hooks/socket/linux/points.hpp"
#include "hooks/socket/linux/supervisor.hpp"
#include "hooks/socket/linux/trees.hpp"

namespace ebpf::hooks::socket {
namespace {

using spec::AttachType;

// A bind program is told of the end of what it permitted, so there is one, as in eBPF for Windows; otherwise
// what Linux allows at a cgroup (BPF_CGROUP_MAX_PROGS).
std::uint32_t most_of(AttachType type) {
    constexpr std::uint32_t kMaxPrograms = 64;
    return type == AttachType::Bind ? 1 : kMaxPrograms;
}

// The results that permit, as bits: all but BIND_DENY; 1.
std::uint32_t permits_of(AttachType type) {
    constexpr std::uint32_t kBindPermits = 1U << 0U | 1U << 2U | 1U << 3U;
    return type == AttachType::Bind ? kBindPermits : 1U << 1U;
}

/// The C view of a hook.
struct Provider {
    ebpf_hook_provider abi{};
    AttachType type = AttachType::Inet4Bind;
    SocketHooks::Scope scope = SocketHooks::Scope::Commands;
    std::shared_ptr<Points> commands;  ///< programs of Scope::Commands
    Trees* trees = nullptr;
    std::mutex mutex;
    /// What keeps an attachment's point in place, also when its tree has ended.
    std::unordered_map<void*, std::shared_ptr<Points>> homes;
};

int attach(void* provider, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch,
           void* point, void** attachment, char* reason, std::size_t reason_bytes) {
    const Refusal fail(reason, reason_bytes);
    auto& self = *static_cast<Provider*>(provider);
    if (const int error = check_versions(*request, *dispatch, fail); error != 0) return error;
    if (request->attach_type != static_cast<std::uint32_t>(self.type))
        return fail(EINVAL, "the attach type is another hook's");
    if (request->flags != 0) return fail(EINVAL, "socket hooks take no attach flags");
    std::shared_ptr<Points> home = self.commands;
    if (self.scope == SocketHooks::Scope::Commands) {
        if (request->ifindex != 0) return fail(EINVAL, "socket hooks are at no network interface");
    } else {
        home = self.trees->points_of(request->ifindex);
        if (home == nullptr)
            return fail(ENOENT, "there is no such process tree: socket hooks of a daemon are at one");
    }
    if (!home->asked().want(self.type)) {
        return fail(EOPNOTSUPP,
                    "the processes were started without this hook, and a filter cannot be changed: name its "
                    "programs when they are started");
    }
    try {
        const std::lock_guard guard(self.mutex);
        Attachment* added = home->add(self.type, *dispatch, point);
        if (added == nullptr) return fail(EBUSY, "the programs of another context are attached already");
        try {
            self.homes.emplace(added, home);
        } catch (const std::bad_alloc&) {
            home->remove(self.type, added);
            throw;
        }
        *attachment = added;
        return 0;
    } catch (const std::bad_alloc&) {
        return fail(ENOMEM, "out of memory");
    }
}

void detach(void* provider, void* attachment) {
    auto& self = *static_cast<Provider*>(provider);
    std::shared_ptr<Points> home;
    {
        const std::lock_guard guard(self.mutex);
        home = std::move(self.homes.extract(attachment).mapped());
    }
    home->remove(self.type, static_cast<Attachment*>(attachment));
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
    std::shared_ptr<Points> points = std::make_shared<Points>();  ///< of commands that were started
    Trees trees;
    std::list<Provider> providers;
    std::vector<const ebpf_hook_provider*> abis;
    std::mutex mutex;
    std::list<Supervisor> supervisors;
};

SocketHooks::SocketHooks(Scope scope) : state_(std::make_unique<State>()) {
    for (const spec::AttachTypeSpec& row : spec::attach_types()) {
        Provider& provider = state_->providers.emplace_back();
        provider.type = row.type;
        provider.scope = scope;
        provider.commands = state_->points;
        provider.trees = &state_->trees;
        provider.abi = {.version = EBPF_HOOK_ABI_VERSION,
                        .size = sizeof(ebpf_hook_provider),
                        .name = row.name,
                        .program_type = static_cast<std::uint32_t>(row.program),
                        .attach_type = static_cast<std::uint32_t>(row.type),
                        .combine = EBPF_COMBINE_ALL,
                        .max_programs = most_of(row.type),
                        .actions = permits_of(row.type),
                        .provider = nullptr,
                        .attach = attach,
                        .detach = detach,
                        .counters = counters};
    }
    for (Provider& provider : state_->providers) {
        provider.abi.provider = &provider;
        state_->abis.push_back(&provider.abi);
    }
}

SocketHooks::~SocketHooks() = default;

std::span<const ebpf_hook_provider* const> SocketHooks::providers() const noexcept {
    return state_->abis;
}

Started SocketHooks::start(const Command& command, std::span<const int> unblocked) {
    Command asking = command;
    asking.hooks |= state_->points->asked().settle();
    return launch(asking, unblocked, [this](platform::Descriptor listener, int) -> Result<void> {
        const std::lock_guard guard(state_->mutex);
        try {
            state_->supervisors.emplace_back(std::move(listener), *state_->points);
        } catch (const std::system_error& error) {
            return fail(Status::Environment,
                        fmt::format("the supervisor did not start: {}", error.code().message()));
        }
        return {};
    });
}

Result<std::uint32_t> SocketHooks::add_tree(const TreeOffer& offer) {
    return state_->trees.add(offer);
}

Result<void> SocketHooks::serve_tree(std::uint32_t tree, std::shared_ptr<void> held) {
    return state_->trees.serve(tree, std::move(held));
}

void SocketHooks::drop_tree(std::uint32_t tree) {
    state_->trees.drop(tree);
}

void SocketHooks::drop_trees() {
    state_->trees.drop_all();
}

Started start_filtered(const Command& command, std::span<const int> unblocked,
                       const std::function<Result<void>(int, int)>& give) {
    return launch(command, unblocked, [&give](const platform::Descriptor& listener, int process) {
        return give(listener.number(), process);
    });
}

}  // namespace ebpf::hooks::socket
