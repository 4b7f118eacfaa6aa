// SPDX-License-Identifier: MIT
#include "programs_in_daemon.hpp"

#include "base/try.hpp"

namespace ebpf::ctl {

Result<ProgramsInDaemon> prepare_in_daemon(const Options& options, std::span<const HookPrograms> hooks) {
    ProgramsInDaemon held;
    EBPF_TRY(held.backend, open_context(options, Place::Daemon));
    EBPF_TRY(held.socket, daemon_socket(options));
    client::Client client(*held.backend);
    EBPF_TRY_VOID(held.programs.prepare(client, options, hooks));
    EBPF_TRY(held.request.programs, held.programs.for_tree(client));
    const bool is_open = options.when_gone == "open";
    held.request.is_closed = is_open ? 0 : 1;
    held.rules = {.is_open = is_open, .may_offer_again = held.programs.are_pinned()};
    return held;
}

}  // namespace ebpf::ctl
