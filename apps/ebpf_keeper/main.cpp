// SPDX-License-Identifier: MIT
// ebpf-keeper: holds the listener of a hooked process tree, so that an execution context may end without it.
// Started by ebpfctl with the descriptors of descriptors.hpp; ends with the tree. If the first context
// refuses the tree, it ends, upon which the tree cannot start; or it stays and lets all calls through, for a
// process that ran before. Free: it lets them through from the start.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>
#include <utility>

#include "descriptors.hpp"
#include "keeper.hpp"

namespace {

using ebpf::hooks::socket::Ledger;
using ebpf::keeper::kAnswer;
using ebpf::keeper::Keeper;
using ebpf::keeper::kListener;
using ebpf::keeper::kRequest;
using ebpf::keeper::Offer;
using ebpf::keeper::Rules;
using ebpf::keeper::WhenGone;
using ebpf::platform::Descriptor;

constexpr int kUsage = 2;
constexpr int kEnvironment = 4;

constexpr const char* kUsageText =
    "ebpf-keeper SOCKET open|closed again|once end|stay|free\n"
    "Started by ebpfctl: holds the listener of a hooked process tree while the ebpfd at SOCKET comes and "
    "goes.\n";

std::vector<std::byte> read_request(const Descriptor& file) {
    struct stat about{};
    if (fstat(file.number(), &about) != 0 || about.st_size <= 0) return {};
    std::vector<std::byte> bytes(static_cast<std::size_t>(about.st_size));
    const ssize_t got = pread(file.number(), bytes.data(), bytes.size(), 0);
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

int keep(const char* const* words) {
    Descriptor listener(kListener);
    const Descriptor request(kRequest);
    Descriptor answer(kAnswer);
    // It lasts as long as the tree, whatever becomes of the terminal and the one who started it.
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE}) std::signal(number, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // the tree, of the same user, must not trace it
    auto ledger = Ledger::create();
    if (!ledger) {
        std::fprintf(stderr, "ebpf-keeper: %s\n", ledger.error().message().c_str());
        return kEnvironment;
    }
    const Offer offer(words[1], read_request(request));
    Rules rules;
    rules.when_gone = std::string_view(words[2]) == "open" ? WhenGone::Open : WhenGone::Closed;
    rules.may_offer_again = std::string_view(words[3]) == "again";
    const std::string_view refused = words[4];
    if (refused == "free") rules = {WhenGone::Open, false};
    Keeper keeper(std::move(listener), *std::move(ledger), offer, rules);
    if (refused != "free") {
        const auto reply = keeper.offer();
        const bool is_told = send(answer.number(), reply.data(), reply.size(), MSG_NOSIGNAL) ==
                             static_cast<ssize_t>(reply.size());
        if (refused == "end" && (!keeper.has_context() || !is_told)) return kEnvironment;
        if (!keeper.has_context()) keeper.set_rules({WhenGone::Open, false});
    }
    answer.reset();
    keeper.keep();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    constexpr int kWords = 5;
    if (argc != kWords || fcntl(kListener, F_GETFD) < 0) {
        std::fputs(kUsageText, stderr);
        return kUsage;
    }
    try {
        return keep(argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ebpf-keeper: %s\n", error.what());
        return kEnvironment;
    }
}
