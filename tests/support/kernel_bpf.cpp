// SPDX-License-Identifier: MIT
#include "kernel_bpf.hpp"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kernel_functions.hpp"
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

bool access_element(int command, const FileDescriptor& map, const void* key, const void* value) {
    bpf_attr attributes{};
    attributes.map_fd = map.number();
    attributes.key = address(key);
    attributes.value = address(value);
    return bpf(command, attributes) == 0;
}

FileDescriptor load_types(const std::vector<std::byte>& btf) {
    bpf_attr attributes{};
    attributes.btf = address(btf.data());
    attributes.btf_size = static_cast<std::uint32_t>(btf.size());
    return FileDescriptor(bpf(BPF_BTF_LOAD, attributes));
}

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
}

FileDescriptor create_kernel_map(const spec::MapShape& shape) {
    bpf_attr attributes{};
    attributes.map_type = static_cast<std::uint32_t>(shape.type);
    attributes.key_size = shape.key_size;
    attributes.value_size = shape.value_size;
    attributes.max_entries = shape.max_entries;
    attributes.map_flags = shape.flags;
    return FileDescriptor(bpf(BPF_MAP_CREATE, attributes));
}

bool update_kernel_map(const FileDescriptor& map, const void* key, const void* value) {
    return access_element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

bool look_up_kernel_map(const FileDescriptor& map, const void* key, void* value) {
    return access_element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

bool erase_kernel_element(const FileDescriptor& map, const void* key) {
    return access_element(BPF_MAP_DELETE_ELEM, map, key, nullptr);
}

bool next_kernel_key(const FileDescriptor& map, const void* key, void* next) {
    return access_element(BPF_MAP_GET_NEXT_KEY, map, key, next);
}

bool freeze_kernel_map(const FileDescriptor& map) {
    bpf_attr attributes{};
    attributes.map_fd = map.number();
    return bpf(BPF_MAP_FREEZE, attributes) == 0;
}

FileDescriptor load_kernel_program(const KernelProgram& program, std::string* log) {
    // The kernel reads the array wherever the program points into it: what lies behind the maps is no
    // descriptor.
    constexpr std::size_t kBehind = 64;
    std::vector<int> maps(program.maps.begin(), program.maps.end());
    maps.resize(maps.size() + kBehind, -1);
    bpf_attr attributes{};
    attributes.prog_type = static_cast<std::uint32_t>(program.type);
    attributes.expected_attach_type = program.attach_type;
    attributes.insns = address(program.bytecode.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(program.bytecode.size() / spec::kSlotBytes);
    attributes.license = address(program.is_gpl ? "GPL" : "Proprietary");
    attributes.fd_array = address(maps.data());
    const FunctionTypes types = function_types(program.bytecode);
    FileDescriptor btf;
    if (!types.records.empty()) {
        btf = load_types(types.btf);
        attributes.prog_btf_fd = btf.number();
        attributes.func_info_rec_size = sizeof types.records[0];
        attributes.func_info = address(types.records.data());
        attributes.func_info_cnt = static_cast<std::uint32_t>(types.records.size());
    }
    long fd = bpf(BPF_PROG_LOAD, attributes);
    if (fd >= 0 || log == nullptr) return FileDescriptor(fd);
    // Writing a log takes the verifier long: only for a refusal.
    log->assign(kLogBytes, '\0');
    attributes.log_buf = address(log->data());
    attributes.log_size = kLogBytes;
    attributes.log_level = 1;
    fd = bpf(BPF_PROG_LOAD, attributes);
    const int error = errno;
    log->resize(std::strlen(log->c_str()));
    if (fd < 0 && log->empty()) *log = std::strerror(error);
    errno = error;
    return FileDescriptor(fd);
}

std::optional<KernelTestRun> test_run_in_kernel(const FileDescriptor& program, std::span<std::byte> packet,
                                                std::uint32_t repeat) {
    const std::vector<std::byte> before(packet.begin(), packet.end());
    bpf_attr attributes{};
    attributes.test.prog_fd = program.number();
    attributes.test.data_in = address(before.data());
    attributes.test.data_size_in = static_cast<std::uint32_t>(before.size());
    attributes.test.data_out = address(packet.data());
    attributes.test.data_size_out = static_cast<std::uint32_t>(packet.size());
    attributes.test.repeat = repeat;
    if (bpf(BPF_PROG_TEST_RUN, attributes) != 0) return std::nullopt;
    return KernelTestRun{attributes.test.retval, attributes.test.duration};
}

std::uint32_t kernel_code_bytes(const FileDescriptor& program) {
    bpf_prog_info info{};
    bpf_attr attributes{};
    attributes.info.bpf_fd = program.number();
    attributes.info.info_len = sizeof info;
    attributes.info.info = address(&info);
    return bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) == 0 ? info.jited_prog_len : 0;
}

}  // namespace ebpf::support
