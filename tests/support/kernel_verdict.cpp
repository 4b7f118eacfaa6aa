// SPDX-License-Identifier: MIT
#include "kernel_verdict.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "spec/instructions.hpp"

namespace ebpf::support {
namespace {

constexpr std::size_t kLogBytes = std::size_t{1} << 20U;

long bpf(int command, bpf_attr& attributes) {
    return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t address(const void* memory) {
    return reinterpret_cast<std::uintptr_t>(memory);
}

/// File descriptors that are closed when the question is answered.
class Descriptors {
  public:
    Descriptors() = default;
    ~Descriptors() {
        for (const int fd : all_) close(fd);
    }
    Descriptors(const Descriptors&) = delete;
    Descriptors& operator=(const Descriptors&) = delete;
    void add(long fd) { all_.push_back(static_cast<int>(fd)); }
    [[nodiscard]] const std::vector<int>& all() const { return all_; }

  private:
    std::vector<int> all_;
};

long create_map(const spec::MapShape& shape) {
    bpf_attr attributes{};
    attributes.map_type = static_cast<std::uint32_t>(shape.type);
    attributes.key_size = shape.key_size;
    attributes.value_size = shape.value_size;
    attributes.max_entries = shape.max_entries;
    attributes.map_flags = shape.flags;
    return bpf(BPF_MAP_CREATE, attributes);
}

long load(const KernelQuestion& question, const int* maps, std::string* log) {
    bpf_attr attributes{};
    attributes.prog_type = static_cast<std::uint32_t>(question.type);
    attributes.insns = address(question.bytecode.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(question.bytecode.size() / spec::kSlotBytes);
    attributes.license = address(question.is_gpl ? "GPL" : "Proprietary");
    attributes.fd_array = address(maps);
    if (log != nullptr) {
        log->assign(kLogBytes, '\0');
        attributes.log_buf = address(log->data());
        attributes.log_size = kLogBytes;
        attributes.log_level = 1;
    }
    const long fd = bpf(BPF_PROG_LOAD, attributes);
    const int error = errno;
    if (log != nullptr) log->resize(std::strlen(log->c_str()));
    errno = error;
    return fd;
}

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
    Descriptors maps;
    for (const spec::MapShape& shape : question.maps) {
        const long fd = create_map(shape);
        if (fd < 0) {
            failure = fmt::format("the kernel does not create the map: {}", std::strerror(errno));
            return std::nullopt;
        }
        maps.add(fd);
    }
    // The kernel reads the array wherever the program points into it: what lies behind the maps is no
    // descriptor.
    constexpr std::size_t kBehind = 64;
    std::vector<int> indexed = maps.all();
    indexed.resize(indexed.size() + kBehind, -1);
    Descriptors program;
    KernelVerdict verdict;
    long fd = load(question, indexed.data(), nullptr);
    if (fd < 0) fd = load(question, indexed.data(), &verdict.log);
    if (fd < 0) {
        verdict.reason = reason_in(verdict.log, errno);
        return verdict;
    }
    program.add(fd);
    verdict.is_accepted = true;
    return verdict;
}

std::optional<std::string> kernel_is_closed() {
    const std::uint64_t slots[] = {0x00000000000000b7, 0x0000000000000095};  // r0 = 0; exit
    std::string failure;
    const auto verdict =
        kernel_verdict({spec::ProgramType::Xdp, true, std::as_bytes(std::span(slots)), {}}, failure);
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
