// SPDX-License-Identifier: MIT
// Loading native images through requests: who may, and what is refused.
#include <gmock/gmock.h>

#include "native/build.hpp"
#include "platform/user.hpp"
#include "programs.hpp"
#include "service/service.hpp"
#include "spec/engines.hpp"

namespace ebpf::native {
namespace {

using ::testing::HasSubstr;

constexpr const char* kProgram = "r0 = *(u32 *)(r1 +0)\nr0 += 1\nexit\n";

std::vector<std::byte> image_of(const verifier::Request& request) {
    auto bytes =
        build(c_of(prepare(request).input()), {.target = Target::Host, .compiler = {}, .options = {"-O1"}});
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? *std::move(bytes) : std::vector<std::byte>();
}

class NativeRequests : public ::testing::Test {
  protected:
    void SetUp() override { make_service(false); }

    void make_service(bool is_code_integrity_enforced) {
        service_.reset();
        service::ServiceOptions options;
        options.verifier = &verifier_;
        options.code_policy.is_code_integrity_enforced = is_code_integrity_enforced;
        auto service = service::Service::create(options);
        ASSERT_TRUE(service);
        service_ = *std::move(service);
    }

    static protocol::ProgramLoadRequest load_request() {
        const auto request = request_for(kProgram, 4);
        protocol::ProgramLoadRequest load;
        load.type = static_cast<std::uint32_t>(request.type);
        load.engine = static_cast<std::uint32_t>(spec::Engine::Native);
        load.memory_length = request.memory_length;
        load.name = request.program_name;
        load.bytecode = request.bytecode;
        load.image = image();
        return load;
    }

    static const std::vector<std::byte>& image() {
        static const auto bytes = image_of(request_for(kProgram, 4));
        return bytes;
    }

    Result<service::Answer> ask(const protocol::AnyRequest& request,
                                std::span<const service::ObjectRef> handles = {},
                                std::uint32_t uid = platform::user_id()) {
        return service_->handle({uid}, request, handles);
    }

    Error refusal_of(const protocol::ProgramLoadRequest& load, std::uint32_t uid = platform::user_id()) {
        const auto answer = ask(load, {}, uid);
        EXPECT_FALSE(answer);
        return answer ? Error(Status::Ok, "") : answer.error();
    }

    service::InProcessVerifier verifier_;
    std::unique_ptr<service::Service> service_;
};

TEST_F(NativeRequests, RunTheImage) {
    const auto answer = ask(load_request());
    ASSERT_TRUE(answer) << answer.error().message();
    ASSERT_EQ(answer->handles.size(), 1U);
    protocol::ProgramTestRunRequest run;
    run.program = 0;
    run.repeat = 1;
    run.data = {std::byte{41}, std::byte{0}, std::byte{0}, std::byte{0}};
    const auto ran = ask(run, answer->handles);
    ASSERT_TRUE(ran) << ran.error().message();
    EXPECT_EQ(std::get<protocol::ProgramTestRunReply>(ran->reply).result, 42U);
    protocol::ObjectInfoRequest about;
    about.object = 0;
    const auto info = ask(about, answer->handles);
    ASSERT_TRUE(info);
    EXPECT_EQ(std::get<protocol::ObjectInfoReply>(info->reply).program[0].engine,
              static_cast<std::uint32_t>(spec::Engine::Native));
}

TEST_F(NativeRequests, AreForTheOwnerOfTheContextOnly) {
    const Error refusal = refusal_of(load_request(), platform::user_id() + 1);
    EXPECT_EQ(refusal.status(), Status::NoPermission);
    EXPECT_THAT(refusal.message(), HasSubstr("may not load native images into a context of user"));
    EXPECT_TRUE(ask(load_request(), {}, 0)) << "the superuser may";
    auto interpreted = load_request();
    interpreted.engine = static_cast<std::uint32_t>(spec::Engine::Interpreter);
    interpreted.image.clear();
    EXPECT_TRUE(ask(interpreted, {}, platform::user_id() + 1)) << "others may load programs";
}

TEST_F(NativeRequests, AreRefusedUnderCodeIntegrity) {
    make_service(true);
    const Error refusal = refusal_of(load_request());
    EXPECT_EQ(refusal.status(), Status::NoPermission);
    EXPECT_THAT(refusal.message(), HasSubstr("the image is not signed"));
}

TEST_F(NativeRequests, AreRefusedForAnotherProgram) {
    auto load = load_request();
    load.bytecode = request_for("r0 = *(u32 *)(r1 +0)\nr0 += 2\nexit\n", 4).bytecode;
    Error refusal = refusal_of(load);
    EXPECT_EQ(refusal.status(), Status::Rejected);
    EXPECT_THAT(refusal.message(),
                HasSubstr("native image: its program 'program' was made from other bytecode"));
    load = load_request();
    load.memory_length = 8;
    EXPECT_THAT(refusal_of(load).message(),
                HasSubstr("was made from other bytecode, map shapes, program type"));
    load = load_request();
    load.image.resize(load.image.size() / 2);
    refusal = refusal_of(load);
    EXPECT_EQ(refusal.status(), Status::Truncated);
    load.image.assign(1000, std::byte{1});
    EXPECT_EQ(refusal_of(load).status(), Status::Malformed);
    load.image.clear();
    EXPECT_EQ(refusal_of(load).status(), Status::InvalidArgument);
    load = load_request();
    load.engine = static_cast<std::uint32_t>(spec::Engine::Interpreter);
    EXPECT_EQ(refusal_of(load).status(), Status::InvalidArgument);
}

TEST_F(NativeRequests, AreVerifiedLikeAllOthers) {
    auto load = load_request();
    load.bytecode = request_for("r0 = *(u32 *)(r1 +8)\nexit\n", 4).bytecode;
    const auto answer = ask(load);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_TRUE(answer->handles.empty());
    EXPECT_EQ(std::get<protocol::ProgramLoadReply>(answer->reply).report.verdict, verifier::Verdict::Reject);
}

}  // namespace
}  // namespace ebpf::native
