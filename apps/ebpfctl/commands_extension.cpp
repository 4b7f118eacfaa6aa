// SPDX-License-Identifier: MIT
// ebpfctl extension.
#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "base/try.hpp"
#include "commands.hpp"

namespace ebpf::ctl {

using client::Client;

Result<std::string> absolute(const std::string& path) {
    std::error_code code;
    const auto whole = std::filesystem::absolute(path, code);
    if (code) return fail(Status::Environment, fmt::format("{}: {}", path, code.message()));
    return whole.lexically_normal().string();
}

Result<Output> extension_load(const Options& options, Words& words) {
    EBPF_TRY(const auto file, words.word("FILE of the extension"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto path, absolute(file));
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    EBPF_TRY_VOID(Client(*backend).load_extension(path));
    return Done{};
}

Result<Output> extension_unload(const Options& options, Words& words) {
    EBPF_TRY(const auto name, words.word("NAME of the extension"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    EBPF_TRY_VOID(Client(*backend).unload_extension(name));
    return Done{};
}

Result<Output> extension_show(const Options& options, Words& words) {
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    EBPF_TRY(auto extensions, Client(*backend).extensions());
    return Extensions{std::move(extensions)};
}

}  // namespace ebpf::ctl
