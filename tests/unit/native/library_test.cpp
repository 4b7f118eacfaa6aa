// SPDX-License-Identifier: MIT
// How Linux hosts map libraries: without running anything of them, and refusing what would need that.
#include "platform/library.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <fstream>
#include <random>

#include "native/build.hpp"

namespace ebpf::platform {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr const char* kExport = "#define EXPORT __attribute__((visibility(\"default\")))\n";
constexpr const char* kTable =
    "static long first(long x) { return x + 1; }\n"
    "static long second(long x) { return x * 2; }\n"
    "EXPORT long (*const functions[])(long) = {first, second};\n"
    "EXPORT long sum(const long* numbers, unsigned long count) {\n"
    "    long copy[64], result = 0;\n"
    "    __builtin_memcpy(copy, numbers, count * sizeof *copy);\n"
    "    for (unsigned long i = 0; i < count; ++i) result += copy[i];\n"
    "    return result;\n"
    "}\n";

Bytes built(const std::string& c, std::vector<std::string> options = {"-O1"}) {
    auto bytes = native::build(
        kExport + c, {.target = native::Target::Host, .compiler = {}, .options = std::move(options)});
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? *std::move(bytes) : Bytes();
}

Error refusal_of(const Bytes& bytes) {
    const auto library = load_library(bytes);
    EXPECT_FALSE(library);
    if (!library) return library.error();
    unload_library(*library);
    return {Status::Ok, ""};
}

// Rights of what is mapped from libraries, as the kernel lists them: "r-xp" ...
std::vector<std::string> rights_of_libraries() {
    std::ifstream maps("/proc/self/maps");
    std::vector<std::string> rights;
    for (std::string line; std::getline(maps, line);) {
        if (line.find("memfd:ebpf-image") != std::string::npos)
            rights.push_back(line.substr(line.find(' ') + 1, 4));
    }
    return rights;
}

TEST(Library, IsMappedRelocatedAndSealed) {
    const auto library = load_library(built(kTable));
    ASSERT_TRUE(library) << library.error().message();
    auto* const functions = static_cast<long (*const*)(long)>(library_symbol(**library, "functions"));
    ASSERT_NE(functions, nullptr);
    EXPECT_EQ(functions[0](41), 42);
    EXPECT_EQ(functions[1](21), 42);
    auto* const sum = reinterpret_cast<long (*)(const long*, unsigned long)>(
        reinterpret_cast<std::uintptr_t>(library_symbol(**library, "sum")));
    ASSERT_NE(sum, nullptr);
    const long numbers[] = {1, 2, 3};
    EXPECT_EQ(sum(numbers, 3), 6);
    EXPECT_EQ(library_symbol(**library, "first"), nullptr);
    const auto rights = rights_of_libraries();
    EXPECT_THAT(rights, ::testing::Contains("r-xp"));
    EXPECT_THAT(rights, ::testing::Each(::testing::AnyOf("r-xp", "r--p")));
    unload_library(*library);
    EXPECT_TRUE(rights_of_libraries().empty());
}

TEST(Library, LiesNearTheProcess) {
    const auto library = load_library(built(kTable));
    ASSERT_TRUE(library);
    const auto there = reinterpret_cast<std::uintptr_t>(library_symbol(**library, "sum"));
    const auto here = reinterpret_cast<std::uintptr_t>(&load_library);
    EXPECT_LT(here - there, std::uintptr_t{2} << 30U);
    unload_library(*library);
}

TEST(Library, IsRefusedIfItRunsCodeWhenLoaded) {
    const Error error = refusal_of(built(
        "static volatile int runs;\n__attribute__((constructor)) static void start(void) { runs = 1; }\n"));
    EXPECT_EQ(error.status(), Status::NotSupported);
    EXPECT_THAT(error.message(), HasSubstr("functions that run when it is loaded"));
}

TEST(Library, IsRefusedIfItNeedsAnother) {
    const Error error =
        refusal_of(built("int puts(const char*);\nEXPORT int say(void) { return puts(\"x\"); }\n"));
    EXPECT_EQ(error.status(), Status::NotSupported);
    EXPECT_THAT(error.message(), HasSubstr("'puts'"));
}

TEST(Library, IsRefusedIfItHasThreadLocalVariables) {
    const Error error =
        refusal_of(built("static _Thread_local int count = 1;\nEXPORT int next(void) { return ++count; }\n"));
    EXPECT_EQ(error.status(), Status::NotSupported);
    EXPECT_THAT(error.message(), HasSubstr("thread-local"));
}

TEST(Library, IsRefusedIfItChoosesFunctionsWhenLoaded) {
    const Error error = refusal_of(built(
        "static volatile int which;\nstatic int one(void) { return 1; }\nstatic int two(void) { return 2; }\n"
        "static void* choose(void) { return which ? (void*)one : (void*)two; }\n"
        "EXPORT int chosen(void) __attribute__((ifunc(\"choose\")));\n"
        "EXPORT int call(void) { return chosen(); }\n"));
    EXPECT_EQ(error.status(), Status::NotSupported);
}

// Nothing that the file says is believed: whatever is changed, it is loaded or refused.
TEST(Library, IsLoadedOrRefusedWhateverIsChanged) {
    constexpr int kTries = 3000;
    const Bytes good = built(kTable);
    ASSERT_FALSE(good.empty());
    std::mt19937_64 random(1);  // NOLINT(bugprone-random-generator-seed): the same on every run
    int loaded = 0;
    for (int i = 0; i < kTries; ++i) {
        Bytes changed = good;
        for (std::uint64_t left = 1 + random() % 4; left != 0; --left) {
            // Headers and tables mostly lie in front; every eighth byte changed lies anywhere.
            const std::size_t among =
                random() % 8 == 0 ? changed.size() : std::min<std::size_t>(1024, changed.size());
            changed[random() % among] = static_cast<std::byte>(random());
        }
        if (random() % 16 == 0) changed.resize(random() % changed.size());
        const auto library = load_library(changed);
        if (!library) continue;
        ++loaded;
        unload_library(*library);
    }
    EXPECT_GT(loaded, 0);
    EXPECT_LT(loaded, kTries);
    EXPECT_TRUE(rights_of_libraries().empty());
}

}  // namespace
}  // namespace ebpf::platform
