// SPDX-License-Identifier: MIT
#include "native/build.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/try.hpp"
#include "native/headers.hpp"
#include "platform/file.hpp"
#include "platform/process.hpp"

namespace ebpf::native {
namespace {

constexpr std::size_t kMaxLibraryBytes = std::size_t{256} << 20U;

// Arithmetic wraps, that on addresses too, which may leave what they point into for a while
// (-fno-strict-overflow). Where loops begin is not left to chance. Images need no library.
std::vector<std::string> arguments_for(const BuildOptions& options, const std::string& compiler,
                                       const std::string& folder) {
    std::vector<std::string> arguments{
        compiler,           "-std=gnu11",      "-O2",    "-fno-strict-overflow", "-falign-functions=64",
        "-falign-loops=32", "-fno-math-errno", "-shared"};
    if (options.target == Target::Host)
        arguments.insert(arguments.end(), {"-fPIC", "-fvisibility=hidden", "-nostdlib"});
    arguments.insert(arguments.end(), {"-Wall", "-Wextra", "-I", folder});
    arguments.insert(arguments.end(), options.options.begin(), options.options.end());
    arguments.insert(arguments.end(), {"-o", folder + "/image.library", folder + "/image.c"});
    return arguments;
}

Result<void> write_sources(std::string_view c, const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directory(folder + "/ebpf", error);
    if (error) return fail(Status::Environment, fmt::format("{}/ebpf: {}", folder, error.message()));
    EBPF_TRY_VOID(platform::write_file(folder + "/ebpf/native.h", kNativeHeader));
    EBPF_TRY_VOID(platform::write_file(folder + "/ebpf/native_operations.h", kOperationsHeader));
    return platform::write_file(folder + "/image.c", c);
}

}  // namespace

std::vector<std::string> default_compilers(Target target) {
    if (target == Target::Windows) return {"x86_64-w64-mingw32-gcc-posix", "x86_64-w64-mingw32-gcc"};
    return {"clang-19", "clang", "clang-14", "gcc", "cc"};
}

Result<std::vector<std::byte>> build(std::string_view c, const BuildOptions& options) {
    EBPF_TRY(const platform::TemporaryFolder folder, platform::TemporaryFolder::create());
    EBPF_TRY_VOID(write_sources(c, folder.path()));
    const auto compilers = options.compiler.empty() ? default_compilers(options.target)
                                                    : std::vector<std::string>{options.compiler};
    std::string tried;
    for (const auto& compiler : compilers) {
        auto ended =
            platform::run_program(arguments_for(options, compiler, folder.path()), folder.path() + "/output");
        if (!ended && ended.error().status() == Status::NotFound) {
            tried += (tried.empty() ? "" : ", ") + compiler;
            continue;
        }
        if (!ended) return std::unexpected(std::move(ended).error());
        if (ended->exit_code != 0)
            return fail(Status::Environment,
                        fmt::format("{} ended with {}:\n{}", compiler, ended->exit_code, ended->output));
        return platform::read_file(folder.path() + "/image.library", kMaxLibraryBytes);
    }
    return fail(Status::NotFound, fmt::format("there is no C compiler {}", tried));
}

}  // namespace ebpf::native
