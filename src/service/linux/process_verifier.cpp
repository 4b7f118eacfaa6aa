// SPDX-License-Identifier: MIT
#include "service/linux/process_verifier.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <vector>

#include "base/try.hpp"
#include "protocol/messages.hpp"
#include "service/linux/jail/exit_code.hpp"

namespace ebpf::service {
namespace {

using platform::Descriptor;

constexpr int kRequestInChild = 3;
constexpr int kReportInChild = 4;
constexpr int kFirstUnused = 5;
constexpr int kAboveChild = 16;
constexpr int kAllSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

std::unexpected<Error> refused(std::string_view what, int number) {
    return fail(Status::Environment, fmt::format("verifier process: {}: {}", what, std::strerror(number)));
}

/// Memory as a file, numbered so that it cannot clash with the child's own numbers.
Result<Descriptor> make_memory(const char* name) {
    const Descriptor low(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!low.is_open()) return refused("memfd_create", errno);
    Descriptor high(fcntl(low.number(), F_DUPFD_CLOEXEC, kAboveChild));
    if (!high.is_open()) return refused("F_DUPFD_CLOEXEC", errno);
    return high;
}

Result<void> seal(const Descriptor& memory) {
    if (fcntl(memory.number(), F_ADD_SEALS, kAllSeals) != 0) return refused("sealing", errno);
    return {};
}

Result<Descriptor> make_request(std::span<const std::byte> bytes) {
    EBPF_TRY(Descriptor memory, make_memory("ebpf-request"));
    while (!bytes.empty()) {
        const ssize_t done = write(memory.number(), bytes.data(), bytes.size());
        if (done < 0 && errno != EINTR) return refused("writing the request", errno);
        if (done > 0) bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    EBPF_TRY_VOID(seal(memory));
    return memory;
}

/// Reads a report after its writer has ended.
Result<std::vector<std::byte>> read_report(const Descriptor& memory) {
    EBPF_TRY_VOID(seal(memory));
    struct stat about{};
    if (fstat(memory.number(), &about) != 0) return refused("report", errno);
    const auto size = static_cast<std::uint64_t>(about.st_size);
    if (size > spec::kMaxMessageBytes) return refused("report", EFBIG);
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
            pread(memory.number(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return refused("reading the report", got == 0 ? EIO : errno);
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

/// The set-up of a child: nothing open but the two memories, no environment, own session, default signals.
class SpawnPlan {
  public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }

    /// Returns the child's pid, or a negative errno.
    pid_t start(const std::string& path, const Descriptor& request, const Descriptor& report) {
        int code = 0;
        const auto plan = [&code](int result) { code = code == 0 ? result : code; };
        for (int standard = 0; standard < kRequestInChild; ++standard)
            plan(posix_spawn_file_actions_addopen(&actions_, standard, "/dev/null", O_RDWR, 0));
        plan(posix_spawn_file_actions_adddup2(&actions_, request.number(), kRequestInChild));
        plan(posix_spawn_file_actions_adddup2(&actions_, report.number(), kReportInChild));
        plan(posix_spawn_file_actions_addclosefrom_np(&actions_, kFirstUnused));
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        plan(posix_spawnattr_setsigmask(&attributes_, &none));
        plan(posix_spawnattr_setsigdefault(&attributes_, &all));
        plan(posix_spawnattr_setflags(
            &attributes_,
            static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)));
        pid_t pid = -1;
        std::array<char*, 2> arguments = {const_cast<char*>("ebpf-verifier"), nullptr};
        std::array<char*, 1> environment = {nullptr};
        if (code == 0) {
            code = posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments.data(),
                               environment.data());
        }
        return code == 0 ? pid : -code;
    }

  private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

enum class Ending { Exited, TimedOut, Cancelled };

Ending wait_for_end(const Descriptor& process, const Descriptor& cancelled, std::uint64_t timeout_ns) {
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    constexpr std::uint64_t kMaxMs = 3'600'000;
    const auto timeout = static_cast<int>(std::min(timeout_ns / kNsPerMs, kMaxMs));
    std::array<pollfd, 2> both = {pollfd{process.number(), POLLIN, 0}, pollfd{cancelled.number(), POLLIN, 0}};
    int ready = -1;
    do {
        ready = poll(both.data(), both.size(), timeout);
    } while (ready < 0 && errno == EINTR);
    if (both[0].revents != 0) return Ending::Exited;
    return both[1].revents != 0 ? Ending::Cancelled : Ending::TimedOut;
}

verifier::Report report_of_end(const siginfo_t& end) {
    if (end.si_code != CLD_EXITED) {
        if (end.si_status == SIGXCPU)
            return refusal("limit", "V041", "the verifier process used up its CPU time");
        return refusal("internal", "V043",
                       fmt::format("the verifier process was ended by signal {}", end.si_status));
    }
    switch (static_cast<VerifierExit>(end.si_status)) {
        case VerifierExit::OutOfMemory:
            return refusal("limit", "V041", "the verifier process ran out of memory");
        case VerifierExit::NoJail:
            return refusal("internal", "V043", "the verifier process could not be jailed on this host");
        case VerifierExit::BadRequest:
            return refusal("internal", "V043",
                           "the verifier process does not understand the request: it is of another build");
        case VerifierExit::Done:
        case VerifierExit::NoReport:
            break;
    }
    return refusal("internal", "V043", fmt::format("the verifier process ended with code {}", end.si_status));
}

}  // namespace

ProcessVerifier::ProcessVerifier(Options options)
    : options_(std::move(options)), cancelled_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void ProcessVerifier::cancel() {
    (void)eventfd_write(cancelled_.number(), 1);
}

Result<protocol::BoundReport> ProcessVerifier::run(const verifier::Request& request) {
    EBPF_TRY(const auto bytes, protocol::encode_verification(request));
    if (bytes.size() > spec::kMaxMessageBytes) {
        return fail(Status::TooBig, fmt::format("program with frozen maps and source lines has {} bytes, at "
                                                "most {} can be verified",
                                                bytes.size(), spec::kMaxMessageBytes));
    }
    EBPF_TRY(const Descriptor request_memory, make_request(bytes));
    EBPF_TRY(const Descriptor report_memory, make_memory("ebpf-report"));
    protocol::BoundReport result;
    result.request = platform::sha256(bytes);

    const pid_t pid = SpawnPlan().start(options_.path, request_memory, report_memory);
    if (pid < 0) return refused(options_.path, -pid);
    // Not through <sys/pidfd.h>, which glibc 2.36 does not let C++ use.
    const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U)));
    const Ending ending = process.is_open()
                              ? wait_for_end(process, cancelled_, request.limits.time_ns + options_.grace_ns)
                              : Ending::Cancelled;
    // The child is not reaped yet, so its number is still its own.
    if (ending != Ending::Exited) kill(pid, SIGKILL);
    siginfo_t end{};
    while (waitid(P_PID, static_cast<id_t>(pid), &end, WEXITED) != 0 && errno == EINTR) {
    }
    if (ending == Ending::TimedOut) {
        result.report = refusal("limit", "V041", "the verifier process ran out of time and was ended");
        return result;
    }
    if (ending == Ending::Cancelled) return refused("ended", ECANCELED);
    if (end.si_code != CLD_EXITED || end.si_status != static_cast<int>(VerifierExit::Done)) {
        result.report = report_of_end(end);
        return result;
    }
    EBPF_TRY(const auto answer, read_report(report_memory));
    auto report = protocol::decode_bound_report(answer);
    if (report) return report;
    result.report =
        refusal("internal", "V043", "the verifier process gave garbage: " + report.error().message());
    return result;
}

}  // namespace ebpf::service
