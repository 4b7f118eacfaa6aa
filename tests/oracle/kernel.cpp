// SPDX-License-Identifier: MIT
#include "kernel.hpp"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "isa/encode.hpp"

namespace ebpf::oracle {
namespace {

long bpf(int command, bpf_attr& attributes) {
    return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t address(const void* memory) {
    return reinterpret_cast<std::uintptr_t>(memory);
}

class FileDescriptor {
  public:
    explicit FileDescriptor(long fd) : fd_(static_cast<int>(fd)) {}
    ~FileDescriptor() {
        if (fd_ >= 0) close(fd_);
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] std::uint32_t number() const { return static_cast<std::uint32_t>(fd_); }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  private:
    int fd_;
};

FileDescriptor create_map(const spec::MapShape& shape) {
    bpf_attr attributes{};
    attributes.map_type = static_cast<std::uint32_t>(shape.type);
    attributes.key_size = shape.key_size;
    attributes.value_size = shape.value_size;
    attributes.max_entries = shape.max_entries;
    return FileDescriptor(bpf(BPF_MAP_CREATE, attributes));
}

bool access_element(int command, const FileDescriptor& map, std::byte* value) {
    const std::uint32_t key = 0;
    bpf_attr attributes{};
    attributes.map_fd = map.number();
    attributes.key = address(&key);
    attributes.value = address(value);
    return bpf(command, attributes) == 0;
}

// The kernel knows maps by file descriptor: BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE instead of our
// indices.
std::vector<std::byte> bytecode_with_maps(const Generated& program, const FileDescriptor& map) {
    using spec::WideKind;
    std::vector<isa::Instruction> code = program.code;
    for (isa::Instruction& instruction : code) {
        const spec::FormSpec& form = instruction.spec();
        if (form.family != spec::Family::LoadImm64) continue;
        if (form.wide != WideKind::MapIndex && form.wide != WideKind::MapIndexValue) continue;
        const WideKind kind = form.wide == WideKind::MapIndex ? WideKind::MapFd : WideKind::MapFdValue;
        instruction.form = *isa::find_form({.family = spec::Family::LoadImm64, .wide = kind});
        instruction.imm = static_cast<std::int64_t>(
            (static_cast<std::uint64_t>(instruction.imm) & ~0xffffffffULL) | map.number());
    }
    const auto bytes = isa::encode(code);
    if (!bytes) return {};
    return {bytes->begin(), bytes->end()};
}

// `log` may be nullptr.
FileDescriptor load(const std::vector<std::byte>& bytecode, std::string* log) {
    constexpr std::size_t kLogBytes = std::size_t{1} << 20U;
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.insns = address(bytecode.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(bytecode.size() / spec::kSlotBytes);
    attributes.license = address("GPL");
    long fd = bpf(BPF_PROG_LOAD, attributes);
    if (fd >= 0 || log == nullptr) return FileDescriptor(fd);
    log->resize(kLogBytes);
    attributes.log_buf = address(log->data());
    attributes.log_size = static_cast<std::uint32_t>(log->size());
    attributes.log_level = 1;
    fd = bpf(BPF_PROG_LOAD, attributes);
    const int error = errno;
    log->resize(std::strlen(log->c_str()));
    if (fd < 0 && log->empty()) *log = std::strerror(error);
    return FileDescriptor(fd);
}

}  // namespace

std::optional<std::string> kernel_refuses() {
    const std::vector<std::uint64_t> program{0x00000000000000b7, 0x0000000000000095};
    std::vector<std::byte> bytes(program.size() * spec::kSlotBytes);
    std::memcpy(bytes.data(), program.data(), bytes.size());
    std::string log;
    if (load(bytes, &log).is_open()) return std::nullopt;
    return "bpf() is refused here: " + log;
}

KernelRun run_in_kernel(const Generated& program, bool wants_log, std::uint32_t repeat) {
    KernelRun run;
    const FileDescriptor map = create_map(program.map);
    std::vector<std::byte> value = program.map_value;
    if (!map.is_open() || !access_element(BPF_MAP_UPDATE_ELEM, map, value.data())) {
        run.failure = fmt::format("map: {}", std::strerror(errno));
        return run;
    }
    const FileDescriptor loaded = load(bytecode_with_maps(program, map), wants_log ? &run.log : nullptr);
    if (!loaded.is_open()) return run;
    run.is_loaded = true;
    run.effects.memory.resize(program.memory.size());
    bpf_attr attributes{};
    attributes.test.prog_fd = loaded.number();
    attributes.test.data_in = address(program.memory.data());
    attributes.test.data_size_in = static_cast<std::uint32_t>(program.memory.size());
    attributes.test.data_out = address(run.effects.memory.data());
    attributes.test.data_size_out = static_cast<std::uint32_t>(run.effects.memory.size());
    attributes.test.repeat = repeat;
    if (bpf(BPF_PROG_TEST_RUN, attributes) != 0) {
        run.failure = fmt::format("test run: {}", std::strerror(errno));
        return run;
    }
    run.effects.result = attributes.test.retval;
    run.run_ns = attributes.test.duration;
    run.effects.map_value.resize(program.map_value.size());
    if (!access_element(BPF_MAP_LOOKUP_ELEM, map, run.effects.map_value.data())) {
        run.failure = fmt::format("map: {}", std::strerror(errno));
    }
    return run;
}

}  // namespace ebpf::oracle
