// SPDX-License-Identifier: MIT
// Code for Windows's calling convention, run where compilers can call that too: functions that helpers call
// back find their arguments, those on the stack included.
#include <gtest/gtest.h>

#include "engine/machine_code.hpp"
#include "ir/build.hpp"
#include "support.hpp"

#if defined(__x86_64__) && !defined(_WIN32)

namespace ebpf::jit::test {
namespace {

#define EBPF_WINDOWS_ABI __attribute__((ms_abi))

using WindowsHelper = EBPF_WINDOWS_ABI std::uint64_t (*)(std::uint64_t, std::uint64_t, std::uint64_t,
                                                         std::uint64_t, std::uint64_t, engine::Invocation*);
using WindowsEntry = EBPF_WINDOWS_ABI std::uint64_t (*)(const engine::Image*, engine::Invocation*);

EBPF_RUNS_MACHINE_CODE EBPF_WINDOWS_ABI std::uint64_t repeat(std::uint64_t r1, std::uint64_t r2,
                                                             std::uint64_t r3, std::uint64_t, std::uint64_t,
                                                             engine::Invocation* invocation) {
    const auto callback = reinterpret_cast<WindowsHelper>(static_cast<std::uintptr_t>(r2));
    for (std::uint64_t i = 0; i < r1; ++i) callback(i, r3, 0, 0, 0, invocation);
    return r1;
}

EBPF_WINDOWS_ABI std::uint64_t slot(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                    engine::Invocation* invocation) {
    return invocation->slot;
}

engine::HelperBinding binding(std::uint32_t id, WindowsHelper function) {
    const auto address = reinterpret_cast<std::uintptr_t>(function);
    return {id, reinterpret_cast<engine::HelperFunction>(address), false};
}

EBPF_RUNS_MACHINE_CODE std::uint64_t run_windows_code(const engine::Image& image,
                                                      engine::Invocation& invocation) {
    const auto entry = reinterpret_cast<WindowsEntry>(reinterpret_cast<std::uintptr_t>(image.code.data()));
    return entry(&image, &invocation);
}

TEST(JitWindowsConvention, HelpersCallFunctionsOfTheProgram) {
    const auto program = ir::test::assemble(
        "r6 = 1000\n*(u64 *)(r10 - 8) = 0\nr1 = 3\nr2 = subprog[f]\nr3 = r10\nr3 += -8\nr4 = 0\ncall 181\n"
        "r0 = *(u64 *)(r10 - 8)\nr0 += r6\nexit\n"
        "f:\nr6 = r1\nr7 = r2\ncall 8\nr0 += r6\nr3 = *(u64 *)(r7 + 0)\nr3 += r0\n*(u64 *)(r7 + 0) = r3\n"
        "r0 = 0\nexit");
    const engine::HelperBinding helpers[] = {binding(181, repeat), binding(8, slot)};
    const engine::Bindings bindings{.maps = {}, .helpers = helpers};
    Options options = host_options();
    options.architecture = Architecture::X64Windows;
    // Not optimised, as it would become a loop.
    const auto module = ir::build({program.code, bindings, program.regions});
    ASSERT_TRUE(module);
    const auto translation = generate(*module, options);
    ASSERT_TRUE(translation) << translation.error().message();
    const auto image = engine::place(translation->machine_code(), bindings);
    ASSERT_TRUE(image);
    engine::Invocation invocation;
    invocation.slot = 7;
    EXPECT_EQ(run_windows_code(**image, invocation), 1000U + 7 + 8 + 9);
    (*image)->destroy(*image);
}

}  // namespace
}  // namespace ebpf::jit::test

#endif
