// SPDX-License-Identifier: MIT
// Long programs start on the interpreter and move up to the JIT while they run.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "isa/text/assemble.hpp"
#include "platform/user.hpp"
#include "service/compile.hpp"
#include "service/service.hpp"
#include "spec/engines.hpp"

namespace ebpf::service {
namespace {

/// Adds 1 to the memory's first word `count` times.
std::vector<std::byte> program_of(std::size_t count) {
    std::string text = "r0 = *(u32 *)(r1 +0)\n";
    for (std::size_t i = 0; i < count; ++i) text += "r0 += 1\n";
    auto bytes = isa::assemble(text + "exit\n");
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? *std::move(bytes) : std::vector<std::byte>();
}

constexpr std::size_t kLong = kMostSlotsTranslatedAtOnce + 1;
constexpr std::uint32_t kInterpreter = static_cast<std::uint32_t>(spec::Engine::Interpreter);
constexpr std::uint32_t kJit = static_cast<std::uint32_t>(spec::Engine::Jit);

class MoveUp : public ::testing::Test {
  protected:
    void SetUp() override { make_service({}); }

    void make_service(const CodePolicy& policy) {
        service_.reset();
        ServiceOptions options;
        options.verifier = &verifier_;
        options.code_policy = policy;
        auto service = Service::create(options);
        ASSERT_TRUE(service);
        service_ = *std::move(service);
    }

    ObjectRef load(std::size_t count, spec::Engine engine = spec::Engine::Auto) {
        protocol::ProgramLoadRequest load;
        load.type = static_cast<std::uint32_t>(spec::ProgramType::Memory);
        load.engine = static_cast<std::uint32_t>(engine);
        load.memory_length = 4;
        load.name = "adder";
        load.bytecode = program_of(count);
        const auto answer = service_->handle({platform::user_id()}, load, {});
        EXPECT_TRUE(answer) << answer.error().message();
        return answer && !answer->handles.empty() ? answer->handles[0] : ObjectRef();
    }

    std::uint64_t run(const ObjectRef& program) {
        protocol::ProgramTestRunRequest run;
        run.program = 0;
        run.repeat = 1;
        run.data = std::vector<std::byte>(4);
        const auto ran = service_->handle({platform::user_id()}, run, std::span(&program, 1));
        EXPECT_TRUE(ran) << ran.error().message();
        return ran ? std::get<protocol::ProgramTestRunReply>(ran->reply).result : 0;
    }

    protocol::ProgramDetails details(const ObjectRef& program) {
        protocol::ObjectInfoRequest about;
        about.object = 0;
        const auto info = service_->handle({platform::user_id()}, about, std::span(&program, 1));
        EXPECT_TRUE(info);
        return info ? std::get<protocol::ObjectInfoReply>(info->reply).program[0]
                    : protocol::ProgramDetails();
    }

    /// Runs `program` until it is on the JIT; false if that takes too long.
    bool runs_until_translated(const ObjectRef& program, std::uint64_t result) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (details(program).engine != kJit) {
            EXPECT_EQ(run(program), result);
            if (std::chrono::steady_clock::now() > end) return false;
            std::this_thread::yield();
        }
        EXPECT_EQ(run(program), result);
        return true;
    }

    InProcessVerifier verifier_;
    std::unique_ptr<Service> service_;
};

TEST_F(MoveUp, ShortProgramsAreTranslatedAtOnce) {
    EXPECT_EQ(details(load(8)).engine, kJit);
}

TEST_F(MoveUp, LongProgramsAreTranslatedWhileTheyRun) {
    const ObjectRef program = load(kLong);
    const auto before = details(program);
    ASSERT_TRUE(runs_until_translated(program, kLong));
    const auto after = details(program);
    EXPECT_GT(after.machine_code_bytes, 0U);
    EXPECT_GT(after.memory_bytes, 0U);
    if (before.engine == kInterpreter) {
        EXPECT_GT(after.memory_bytes, before.memory_bytes);
    }
    protocol::ProgramMachineCodeRequest code;
    code.program = 0;
    const auto shown = service_->handle({platform::user_id()}, code, std::span(&program, 1));
    ASSERT_TRUE(shown) << shown.error().message();
    EXPECT_FALSE(std::get<protocol::ProgramMachineCodeReply>(shown->reply).slots.empty());
}

TEST_F(MoveUp, IsOnlyForThoseThatLeaveTheChoice) {
    const ObjectRef interpreted = load(kLong, spec::Engine::Interpreter);
    const ObjectRef waited = load(kLong, spec::Engine::Jit);
    EXPECT_EQ(details(waited).engine, kJit);
    const ObjectRef later = load(kLong);
    ASSERT_TRUE(runs_until_translated(later, kLong));
    EXPECT_EQ(details(interpreted).engine, kInterpreter);
}

TEST_F(MoveUp, NeverHappensUnderCodeIntegrity) {
    make_service({.is_code_integrity_enforced = true});
    EXPECT_EQ(details(load(8)).engine, kInterpreter);
    EXPECT_EQ(details(load(kLong)).engine, kInterpreter);
}

TEST_F(MoveUp, MayFindItsProgramUnloadedOrTheServiceGone) {
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 4; ++i) load(kLong * 4);
        make_service({});  // drops what waits, waits for what runs
    }
}

TEST_F(MoveUp, ManyLoadsAllGetThere) {
    std::vector<ObjectRef> programs;
    for (std::size_t i = 0; i < 40; ++i) programs.push_back(load(kLong + i));
    for (std::size_t i = 0; i < programs.size(); ++i) {
        ASSERT_TRUE(runs_until_translated(programs[i], kLong + i)) << i;
    }
    programs.clear();
}

}  // namespace
}  // namespace ebpf::service
