// SPDX-License-Identifier: MIT
// The hooks' seccomp filter as a profile of the OCI's runtime specification.
// Source: opencontainers/runtime-spec, config-linux.md, "Seccomp".
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "hooks/socket/linux/filter.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {
namespace {

using Json = nlohmann::ordered_json;

#if defined(__x86_64__)
constexpr const char* kArchitecture = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "SCMP_ARCH_AARCH64";
#endif

std::string name_of(std::uint32_t number) {
    const std::unique_ptr<char, decltype(&std::free)> name(
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number)), &std::free);
    return name == nullptr ? std::string() : std::string(name.get());
}

Json refusal(std::uint32_t action) {
    return {{"action", "SCMP_ACT_ERRNO"}, {"errnoRet", action & SECCOMP_RET_DATA}};
}

Result<Json> profile(const std::string& path) {
    Json calls = Json::array();
    for (const hooks::socket::FilterRow& row : hooks::socket::filter_rows()) {
        const std::string name = name_of(row.number);
        if (name.empty())
            return fail(Status::Internal, "libseccomp does not know a system call of the filter");
        Json call =
            row.action == SECCOMP_RET_USER_NOTIF ? Json{{"action", "SCMP_ACT_NOTIFY"}} : refusal(row.action);
        call["names"] = {name};
        calls.push_back(std::move(call));
    }
    const auto [mask, shared] = hooks::socket::refused_sharing();
    Json sharing = refusal(EPERM);
    sharing["names"] = {"clone"};
    sharing["args"] = {{{"index", 0}, {"value", mask}, {"valueTwo", shared}, {"op", "SCMP_CMP_MASKED_EQ"}}};
    calls.push_back(std::move(sharing));
    return Json{{"defaultAction", "SCMP_ACT_ALLOW"},
                {"architectures", {kArchitecture}},
                {"listenerPath", path},
                {"syscalls", std::move(calls)}};
}

}  // namespace

Result<void> write_container_profile(const std::string& path, const std::string& file) {
    if (!path.starts_with('/')) return fail(Status::InvalidArgument, "LISTENERPATH starts with a slash");
    EBPF_TRY(const Json json, profile(path));
    const std::string text = json.dump(2) + "\n";
    std::FILE* opened = std::fopen(file.c_str(), "we");
    if (opened == nullptr) return fail(Status::Environment, file + ": cannot be written");
    const bool is_written = std::fwrite(text.data(), 1, text.size(), opened) == text.size();
    if (std::fclose(opened) != 0 || !is_written)
        return fail(Status::Environment, file + ": cannot be written");
    return {};
}

}  // namespace ebpf::ctl
