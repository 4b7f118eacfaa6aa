// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/borrowed.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <utility>

#include "base/try.hpp"

namespace ebpf::hooks::socket {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kMostWait{2};         // for a process to stop
constexpr std::chrono::seconds kMostWaitInside{60};  // for a call: there is no good way to give up then
constexpr int kCallStop = SIGTRAP | 0x80;            // as PTRACE_O_TRACESYSGOOD marks it

std::unexpected<Error> refused(int process, const char* what) {
    const Status status = errno == EPERM   ? Status::NoPermission
                          : errno == ESRCH ? Status::NotFound
                                           : Status::Environment;
    return fail(status, fmt::format("process {}: {}: {}", process, what, std::strerror(errno)));
}

/// Finds a system call instruction in the code page that the kernel maps into every process.
Result<std::uint64_t> find_instruction(int process) {
    std::ifstream maps(fmt::format("/proc/{}/maps", process));
    std::string line;
    while (std::getline(maps, line)) {
        if (!line.ends_with("[vdso]")) continue;
        char* end = nullptr;
        const std::uint64_t first = std::strtoull(line.c_str(), &end, 16);
        const std::uint64_t last = std::strtoull(end + 1, nullptr, 16);
        std::vector<std::uint8_t> code(last - first);
        const iovec to{code.data(), code.size()};
        const iovec from{reinterpret_cast<void*>(first), code.size()};
        if (process_vm_readv(process, &to, 1, &from, 1, 0) != static_cast<ssize_t>(code.size())) break;
        const auto found =
            std::search(code.begin(), code.end(), kCallInstruction.begin(), kCallInstruction.end());
        if (found != code.end()) return first + static_cast<std::uint64_t>(found - code.begin());
    }
    return fail(
        Status::NotSupported,
        fmt::format("process {}: the kernel's code page (vdso) has no system call instruction", process));
}

/// Source: Linux include/uapi/linux/rseq.h, include/uapi/linux/ptrace.h.
struct CriticalSection {
    std::uint32_t version;
    std::uint32_t flags;
    std::uint64_t start;
    std::uint64_t bytes;
    std::uint64_t abort;
};
constexpr std::uint64_t kSectionInArea = 8;  // in struct rseq: the address of the section

template <typename T>
bool read_memory(int process, std::uint64_t address, T& value) {
    const iovec to{&value, sizeof value};
    const iovec from{reinterpret_cast<void*>(address), sizeof value};
    return process_vm_readv(process, &to, 1, &from, 1, 0) == sizeof value;
}

/// A thread that is interrupted in a restartable sequence goes on where it handles that. The kernel sees to
/// it when it goes back to the sequence; to our calls it would not look so, so it is seen to here.
void leave_sequence(int process, Registers& registers) {
    struct __ptrace_rseq_configuration area{};
    const long size = ptrace(PTRACE_GET_RSEQ_CONFIGURATION, process, sizeof area, &area);
    if (size < 0 || area.rseq_abi_pointer == 0) return;
    std::uint64_t address = 0;
    CriticalSection section{};
    if (!read_memory(process, area.rseq_abi_pointer + kSectionInArea, address) || address == 0) return;
    if (!read_memory(process, address, section)) return;
    Place& place = place_of(registers);
    if (place - section.start < section.bytes) place = section.abort;
}

void wait_for_signal(std::chrono::milliseconds most) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    const timespec limit{0, static_cast<long>(most.count()) * 1'000'000};
    sigtimedwait(&children, nullptr, &limit);
}

}  // namespace

Result<Borrowed> Borrowed::take(int process) {
    if (ptrace(PTRACE_SEIZE, process, 0, PTRACE_O_TRACESYSGOOD) != 0)
        return refused(process, "cannot be traced");
    Borrowed borrowed(process);
    EBPF_TRY_VOID(borrowed.stop());
    EBPF_TRY_VOID(borrowed.save());
    return borrowed;
}

Borrowed::Borrowed(Borrowed&& other) noexcept
    : process_(std::exchange(other.process_, 0)),
      is_saved_(std::exchange(other.is_saved_, false)),
      instruction_(other.instruction_),
      registers_(other.registers_),
      signals_(other.signals_),
      held_signals_(std::move(other.held_signals_)) {}

Borrowed::~Borrowed() {
    release();
}

/// Returns the status of the next stop.
Result<int> Borrowed::next_stop() {
    const auto deadline = Clock::now() + (is_saved_ ? kMostWaitInside : kMostWait);
    for (;;) {
        int status = 0;
        const int changed = waitpid(process_, &status, __WALL | WNOHANG);
        if (changed < 0 && errno != EINTR) return refused(process_, "waiting");
        if (changed == process_) {
            if (WIFSTOPPED(status)) return status;
            process_ = 0;
            return fail(Status::NotFound, "the process has ended");
        }
        if (Clock::now() >= deadline)
            return fail(Status::Busy,
                        fmt::format("process {} does not stop: it waits in the kernel", process_));
        wait_for_signal(std::chrono::milliseconds(10));
    }
}

Result<void> Borrowed::stop() {
    if (ptrace(PTRACE_INTERRUPT, process_, 0, 0) != 0) return refused(process_, "cannot be stopped");
    for (;;) {
        EBPF_TRY(const int status, next_stop());
        if (status >> 16 == PTRACE_EVENT_STOP) {
            if (WSTOPSIG(status) == SIGTRAP) return {};
            return fail(Status::Busy, fmt::format("process {} is stopped: let it continue first", process_));
        }
        // A signal that came before us is the process's affair.
        ptrace(PTRACE_CONT, process_, 0, WSTOPSIG(status));
    }
}

Result<void> Borrowed::save() {
    EBPF_TRY(instruction_, find_instruction(process_));
    iovec part{&registers_, sizeof registers_};
    if (ptrace(PTRACE_GETREGSET, process_, NT_PRSTATUS, &part) != 0)
        return refused(process_, "reading registers");
    if (part.iov_len != sizeof registers_)
        return fail(Status::NotSupported, fmt::format("process {} runs a 32-bit program", process_));
    leave_sequence(process_, registers_);
    if (ptrace(PTRACE_GETSIGMASK, process_, sizeof signals_, &signals_) != 0)
        return refused(process_, "reading signals");
    const std::uint64_t all = ~std::uint64_t{0};
    if (ptrace(PTRACE_SETSIGMASK, process_, sizeof all, &all) != 0)
        return refused(process_, "blocking signals");
    is_saved_ = true;
    return {};
}

Result<std::int64_t> Borrowed::call(long number, const CallArguments& arguments) {
    Registers registers = registers_;
    set_call(registers, instruction_, number, arguments);
    iovec part{&registers, sizeof registers};
    if (ptrace(PTRACE_SETREGSET, process_, NT_PRSTATUS, &part) != 0)
        return refused(process_, "setting registers");
    forget_call(process_);
    EBPF_TRY_VOID(wait_for_call());  // it enters
    EBPF_TRY_VOID(wait_for_call());  // it has done
    part = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, process_, NT_PRSTATUS, &part) != 0)
        return refused(process_, "reading registers");
    return result_of(registers);
}

Result<void> Borrowed::wait_for_call() {
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, process_, 0, 0) != 0) return refused(process_, "going on");
        EBPF_TRY(const int status, next_stop());
        const int stop = WSTOPSIG(status);
        if (stop == kCallStop) return {};
        if (status >> 16 == 0) held_signals_.push_back(stop);
    }
}

Result<void> Borrowed::write(std::uint64_t address, std::span<const std::byte> bytes) const {
    const iovec from{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const iovec to{reinterpret_cast<void*>(address), bytes.size()};
    if (process_vm_writev(process_, &from, 1, &to, 1, 0) != static_cast<ssize_t>(bytes.size()))
        return refused(process_, "writing memory");
    return {};
}

// The registers are set back in a stop in which the kernel looks for signals: there it also finds that a call
// was interrupted, and starts it again as it would have without us.
void Borrowed::release() {
    if (process_ == 0) return;
    if (is_saved_) {
        ptrace(PTRACE_INTERRUPT, process_, 0, 0);
        for (;;) {
            if (ptrace(PTRACE_CONT, process_, 0, 0) != 0) break;
            const auto status = next_stop();
            if (!status) return;
            if (*status >> 16 == PTRACE_EVENT_STOP) break;
            held_signals_.push_back(WSTOPSIG(*status));
        }
        iovec part{&registers_, sizeof registers_};
        ptrace(PTRACE_SETREGSET, process_, NT_PRSTATUS, &part);
        ptrace(PTRACE_SETSIGMASK, process_, sizeof signals_, &signals_);
    }
    ptrace(PTRACE_DETACH, process_, 0, 0);  // fails if it is not stopped: our own end lets it go then
    for (const int number : held_signals_) kill(process_, number);
    process_ = 0;
}

}  // namespace ebpf::hooks::socket
