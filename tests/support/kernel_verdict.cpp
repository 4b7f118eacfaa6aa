// SPDX-License-Identifier: MIT
#include "kernel_verdict.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "kernel_bpf.hpp"

namespace ebpf::support {
namespace {

// The log lists instructions and states; the refusal is the last line that is neither these nor the
// statistics.
std::string reason_in(const std::string& log, int error) {
    std::string reason;
    std::string_view rest = log;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const bool is_statistics = line.starts_with("processed ") || line.starts_with("max_states");
        if (!line.empty() && !is_statistics) reason = line;
    }
    return reason.empty() ? std::strerror(error) : reason;
}

}  // namespace

std::optional<KernelVerdict> kernel_verdict(const KernelQuestion& question, std::string& failure) {
    std::vector<FileDescriptor> maps;
    std::vector<int> numbers;
    for (const spec::MapShape& shape : question.maps) {
        maps.push_back(create_kernel_map(shape));
        if (!maps.back().is_open()) {
            failure = fmt::format("the kernel does not create the map: {}", std::strerror(errno));
            return std::nullopt;
        }
        numbers.push_back(maps.back().get());
    }
    KernelVerdict verdict;
    const FileDescriptor program = load_kernel_program(
        {question.type, question.attach_type, question.is_gpl, question.bytecode, numbers}, &verdict.log);
    verdict.is_accepted = program.is_open();
    if (!verdict.is_accepted) verdict.reason = reason_in(verdict.log, errno);
    return verdict;
}

std::optional<std::string> kernel_is_closed() {
    const std::uint64_t slots[] = {0x00000000000000b7, 0x0000000000000095};  // r0 = 0; exit
    std::string failure;
    const auto verdict =
        kernel_verdict({spec::ProgramType::Xdp, 0, true, std::as_bytes(std::span(slots)), {}}, failure);
    if (verdict && verdict->is_accepted) return std::nullopt;
    return "bpf() is refused here: " + (verdict ? verdict->reason : failure);
}

bool drop_performance_monitoring() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    for (const unsigned capability : {unsigned{CAP_PERFMON}, unsigned{CAP_SYS_ADMIN}}) {
        const std::uint32_t bit = CAP_TO_MASK(capability);
        data[CAP_TO_INDEX(capability)].effective &= ~bit;
        data[CAP_TO_INDEX(capability)].permitted &= ~bit;
        data[CAP_TO_INDEX(capability)].inheritable &= ~bit;
    }
    return syscall(SYS_capset, &header, data) == 0;
}

}  // namespace ebpf::support
