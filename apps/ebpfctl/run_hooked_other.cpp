// SPDX-License-Identifier: MIT
#include "run_command.hpp"

namespace ebpf::ctl {

Result<CommandEnded> run_hooked(const Options&, std::span<const HookPrograms>,
                                const std::vector<std::string>&) {
    return fail(Status::NotSupported, "there are no socket hooks on this host yet");
}

Result<void> attach_running(const Options&, std::span<const HookPrograms>) {
    return fail(Status::NotSupported, "there are no socket hooks on this host yet");
}

Result<void> serve_containers(const Options&, const std::string&, std::span<const HookPrograms>) {
    return fail(Status::NotSupported, "there are no socket hooks on this host yet");
}

Result<void> write_container_profile(const std::string&, const std::string&) {
    return fail(Status::NotSupported, "there are no socket hooks on this host yet");
}

}  // namespace ebpf::ctl
