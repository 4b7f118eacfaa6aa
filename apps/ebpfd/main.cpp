// SPDX-License-Identifier: MIT
// ebpfd: an execution context as a daemon. Runs in the foreground, ends on SIGTERM or SIGINT.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <string>

#include "base/try.hpp"
#include "hooks/socket/hooks.hpp"
#include "hooks/xdp/provider.hpp"
#include "isa/text/group_text.hpp"
#include "platform/linux/socket_path.hpp"
#include "service/linux/daemon.hpp"
#include "socket_trees.hpp"

namespace {

using ebpf::Result;

/// Returns the folder of this program, with a slash.
Result<std::string> own_folder() {
    std::array<char, 4096> path{};
    const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
    if (size <= 0) return ebpf::fail(ebpf::Status::Environment, "/proc/self/exe cannot be read");
    const std::string whole(path.data(), static_cast<std::size_t>(size));
    return whole.substr(0, whole.rfind('/') + 1);
}

/// What the command line says about programs and what they are for.
struct Policy {
    ebpf::service::CodePolicy code;
    std::vector<std::string> extensions;
    std::vector<std::string> groups = ebpf::isa::group_names();
};

Result<void> serve(std::string socket, const Policy& policy) {
    if (socket.empty()) {
        EBPF_TRY(socket, ebpf::platform::default_socket_path());
    }
    EBPF_TRY(const auto folder, own_folder());
    const ebpf::hooks::xdp::XdpProvider xdp;
    ebpf::hooks::socket::SocketHooks socket_hooks(ebpf::hooks::socket::SocketHooks::Scope::Trees);
    ebpf::daemon::SocketTrees trees(socket_hooks);
    ebpf::service::DaemonOptions options;
    options.socket = socket;
    options.groups = ebpf::isa::group_set(policy.groups);
    options.verifier = folder + "ebpf-verifier";
    options.providers = {xdp.abi()};
    for (const ebpf_hook_provider* provider : socket_hooks.providers()) options.providers.push_back(provider);
    options.trees = &trees;
    options.extensions = policy.extensions;
    options.code_policy = policy.code;
    options.on_ready = [&socket] {
        fmt::print("ebpfd: ready on {}\n", socket);
        std::fflush(stdout);
    };
    return ebpf::service::run_daemon(options);
}

int parse_and_serve(int argc, char** argv) {
    constexpr int kUsage = 2;
    constexpr int kEnvironment = 4;
    std::string socket;
    Policy policy;
    CLI::App app("Execution context for eBPF programs, for clients on a Unix socket", "ebpfd");
    app.add_option(
        "--socket", socket,
        "path to listen at (default: /run/ebpf/ebpfd.sock for root, else $XDG_RUNTIME_DIR/ebpf/ebpfd.sock)");
    app.add_option(
           "--extension", policy.extensions,
           "absolute path of a shared library with program types and hooks (ebpf/extension.h); may be given "
           "again")
        ->allow_extra_args(false);
    app.add_flag("--code-integrity", policy.code.is_code_integrity_enforced,
                 "make no machine code: programs are interpreted, engine jit is refused");
    app.add_flag("--blind-constants", policy.code.blinds_constants,
                 "keep constants that a program chose out of its machine code");
    app.add_option("--groups", policy.groups,
                   "conformance groups that programs may need, separated by commas (default: all)")
        ->delimiter(',')
        ->check(CLI::IsMember(ebpf::isa::group_names()));
    app.footer(
        "Serves its own user and root. Ends on SIGTERM or SIGINT: detaches all programs and removes the "
        "socket.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    const auto served = serve(std::move(socket), policy);
    if (served) return 0;
    fmt::print(stderr, "ebpfd: {}\n", served.error().message());
    return served.error().status() == ebpf::Status::Internal ? 3 : kEnvironment;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_serve(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "ebpfd: internal error: {}\n", error.what());
        return 3;
    }
}
