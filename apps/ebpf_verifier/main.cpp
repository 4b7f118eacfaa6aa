// SPDX-License-Identifier: MIT
// ebpf-verifier: reads one request from descriptor 3, writes one report to descriptor 4. Started by ebpfd
// only; it has no options. It jails itself before it reads the first byte.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <new>
#include <span>
#include <vector>

#include "protocol/messages.hpp"
#include "protocol/request_hash.hpp"
#include "service/linux/jail/exit_code.hpp"
#include "service/linux/jail/jail.hpp"
#include "verifier/verifier.hpp"

namespace {

using ebpf::service::VerifierExit;

constexpr int kRequest = 3;
constexpr int kReport = 4;
constexpr int kExitUsage = 2;

bool read_all(std::vector<std::byte>& bytes) {
    constexpr std::size_t kChunk = 65536;
    while (bytes.size() <= ebpf::spec::kMaxMessageBytes) {
        const std::size_t done = bytes.size();
        bytes.resize(done + kChunk);
        const ssize_t got = pread(kRequest, bytes.data() + done, kChunk, static_cast<off_t>(done));
        bytes.resize(done + static_cast<std::size_t>(got < 0 ? 0 : got));
        if (got == 0) return true;
        if (got < 0 && errno != EINTR) return false;
    }
    return false;
}

bool write_all(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t done = write(kReport, bytes.data(), bytes.size());
        if (done < 0 && errno != EINTR) return false;
        if (done > 0) bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return true;
}

VerifierExit work() {
    // The library reads its configuration when it is first used; later it could not.
    (void)ebpf::platform::sha256({});
    if (!ebpf::service::enter_jail({})) return VerifierExit::NoJail;
    std::vector<std::byte> bytes;
    if (!read_all(bytes)) return VerifierExit::BadRequest;
    const auto request = ebpf::protocol::decode_verification(bytes);
    if (!request) return VerifierExit::BadRequest;
    ebpf::protocol::BoundReport answer;
    answer.request = ebpf::platform::sha256(bytes);
    answer.report = ebpf::verifier::verify(*request);
    const auto report = ebpf::protocol::encode_bound_report(answer);
    if (!report || !write_all(*report)) return VerifierExit::NoReport;
    return VerifierExit::Done;
}

}  // namespace

int main() {
    if (fcntl(kRequest, F_GETFD) < 0 || fcntl(kReport, F_GETFD) < 0) {
        std::fputs(
            "ebpf-verifier is started by ebpfd, which hands it a request; "
            "to verify by hand: ebpfctl prog verify FILE.o\n",
            stderr);
        return kExitUsage;
    }
    VerifierExit code = VerifierExit::OutOfMemory;
    try {
        code = work();
    } catch (const std::bad_alloc&) {
        code = VerifierExit::OutOfMemory;
    }
    // Without destructors and exit handlers: nothing is left to do, and the jail forbids most of it.
    _exit(static_cast<int>(code));
}
