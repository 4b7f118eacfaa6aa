// SPDX-License-Identifier: MIT
// Runs the XDP hook with a filter written in C++ in place of a verified program, so that the hook can be
// tested by itself. Usage: ebpf_hook_probe INTERFACE FILTER. Prints "attached" when ready; on SIGTERM or
// SIGINT it detaches and prints the counters as JSON; on SIGUSR1 it prints them at once. Exit codes: 0, 2
// usage, 4 attach refused.
#include <net/if.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "hooks/xdp/provider.hpp"

namespace {

enum Verdict : std::uint64_t { Aborted = 0, Drop = 1, Pass = 2, Transmit = 3 };

constexpr std::ptrdiff_t kTagBytes = 4;
constexpr std::ptrdiff_t kAddressBytes = 12;

using Filter = Verdict (*)(ebpf_xdp_context&);

/// Whether the frame is an IPv4 UDP packet to `port` without payload.
bool is_empty_udp(const ebpf_xdp_context& context, unsigned port) {
    const std::uint8_t* p = context.data;
    if (context.data_end - p < 42 || p[12] != 8 || p[13] != 0 || (p[14] & 15) != 5 || p[23] != 17)
        return false;
    return unsigned{p[36]} * 256 + p[37] == port && unsigned{p[38]} * 256 + p[39] == 8;
}

Verdict drop_empty_dns(ebpf_xdp_context& context) {
    return is_empty_udp(context, 53) ? Drop : Pass;
}

bool has_tag(const ebpf_xdp_context& context) {
    return context.data[12] == 0x81 && context.data[13] == 0;
}

/// Takes the VLAN tag off, as a program with xdp_adjust_head does.
Verdict untag(ebpf_xdp_context& context) {
    if (!has_tag(context)) return Pass;
    std::memmove(context.data + kTagBytes, context.data, kAddressBytes);
    context.data += kTagBytes;
    context.data_meta = context.data;
    return Pass;
}

/// Puts VLAN tag 5 on.
Verdict tag(ebpf_xdp_context& context) {
    if (context.data - context.data_hard_start < kTagBytes) return Aborted;
    context.data -= kTagBytes;
    context.data_meta = context.data;
    std::memmove(context.data, context.data + kTagBytes, kAddressBytes);
    constexpr std::uint8_t kTag[] = {0x81, 0, 0, 5};
    std::memcpy(context.data + kAddressBytes, kTag, sizeof(kTag));
    return Pass;
}

/// Passes only frames that carry a VLAN tag.
Verdict only_tagged(ebpf_xdp_context& context) {
    return has_tag(context) ? Pass : Drop;
}

/// Cuts so much off that nothing sensible remains; the hook must cope.
Verdict behead(ebpf_xdp_context& context) {
    context.data = std::min(context.data + 40, context.data_end - 14);
    return Pass;
}

struct NamedFilter {
    const char* name;
    Filter run;
};
constexpr NamedFilter kFilters[] = {
    {"pass", [](ebpf_xdp_context&) { return Pass; }},
    {"drop", [](ebpf_xdp_context&) { return Drop; }},
    {"abort", [](ebpf_xdp_context&) { return Aborted; }},
    {"tx", [](ebpf_xdp_context&) { return Transmit; }},
    {"unknown", [](ebpf_xdp_context&) { return Verdict{77}; }},
    {"drop_empty_dns", drop_empty_dns},
    {"untag", untag},
    {"tag", tag},
    {"only_tagged", only_tagged},
    {"behead", behead},
};

ebpf_hook_dispatch make_dispatch() {
    ebpf_hook_dispatch dispatch{};
    dispatch.version = EBPF_HOOK_ABI_VERSION;
    dispatch.size = sizeof(dispatch);
    dispatch.thread_enter = [](void*, ebpf_hook_thread**) { return 0; };
    dispatch.thread_leave = [](ebpf_hook_thread*) {};
    dispatch.batch_begin = [](ebpf_hook_thread*) {};
    dispatch.batch_end = [](ebpf_hook_thread*) {};
    dispatch.invoke = [](void* link, ebpf_hook_thread*, void* context) {
        const auto* filter = static_cast<const NamedFilter*>(link);
        return std::uint64_t{filter->run(*static_cast<ebpf_xdp_context*>(context))};
    };
    dispatch.invoke_all = [](void* link, ebpf_hook_thread*, void* const* contexts, std::uint64_t* results,
                             std::size_t count) {
        const auto* filter = static_cast<const NamedFilter*>(link);
        for (std::size_t i = 0; i < count; ++i)
            results[i] = filter->run(*static_cast<ebpf_xdp_context*>(contexts[i]));
    };
    return dispatch;
}

void print_counters(const ebpf_hook_provider& hook, void* attachment) {
    ebpf_hook_counter rows[32];
    const std::size_t count = std::min(hook.counters(hook.provider, attachment, rows, 32), std::size_t{32});
    std::printf("{");
    for (std::size_t i = 0; i < count; ++i) {
        std::printf("%s\"%s\": %llu", i == 0 ? "" : ", ", rows[i].name,
                    static_cast<unsigned long long>(rows[i].value));
    }
    std::printf("}\n");
    std::fflush(stdout);
}

int run(const char* interface, const NamedFilter& filter) {
    sigset_t signals;
    sigemptyset(&signals);
    for (int number : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, number);
    sigprocmask(SIG_BLOCK, &signals, nullptr);

    const ebpf::hooks::xdp::XdpProvider provider;
    const ebpf_hook_provider& hook = *provider.abi();
    const ebpf_hook_dispatch dispatch = make_dispatch();
    ebpf_attach_request request{};
    request.version = EBPF_HOOK_ABI_VERSION;
    request.size = sizeof(request);
    request.ifindex = if_nametoindex(interface);
    void* attachment = nullptr;
    char reason[256] = "";
    const int error = hook.attach(hook.provider, &request, &dispatch, const_cast<NamedFilter*>(&filter),
                                  &attachment, reason, sizeof(reason));
    if (error != 0) {
        std::fprintf(stderr, "%s: %s\n", strerror(-error), reason);
        return 4;
    }
    std::printf("attached\n");
    std::fflush(stdout);
    int signal_number = 0;
    while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGUSR1)
        print_counters(hook, attachment);
    print_counters(hook, attachment);
    hook.detach(hook.provider, attachment);
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 3) {
        for (const NamedFilter& filter : kFilters) {
            if (std::string_view(arguments[2]) == filter.name) return run(arguments[1], filter);
        }
    }
    std::fprintf(stderr, "usage: %s INTERFACE FILTER\nfilters:", arguments[0]);
    for (const NamedFilter& filter : kFilters) std::fprintf(stderr, " %s", filter.name);
    std::fprintf(stderr, "\n");
    return 2;
}
