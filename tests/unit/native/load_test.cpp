// SPDX-License-Identifier: MIT
// Images that are what they should be, and those that are not.
#include "native/load.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>

#include "helpers/helpers.hpp"
#include "native/build.hpp"
#include "native/library_format.hpp"
#include "programs.hpp"
#include "vectors/test_host.hpp"

namespace ebpf::native {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr spec::MapShape kArray{spec::MapType::Array, 4, 8, 4, 0};
constexpr const char* kCount =
    "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall 1\nif r0 == 0 goto +4\n"
    "r1 = 1\nlock *(u64 *)(r0 +0) += r1\nr0 = *(u64 *)(r0 +0)\nexit\nr0 = 0\nexit\n";

verifier::Request count_request() {
    auto request = request_for(kCount);
    request.maps.push_back({"counts", kArray, false, {}});
    return request;
}

const BuildOptions kQuick{.target = Target::Host, .compiler = {}, .options = {"-O1"}};

Bytes built(const std::string& c) {
    auto bytes = build(c, kQuick);
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? *std::move(bytes) : Bytes();
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string refusal_of(const Bytes& bytes) {
    const auto library = ImageLibrary::load(bytes);
    EXPECT_FALSE(library);
    return library ? "" : library.error().message();
}

class Image : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        prepared_ = new Prepared(prepare(count_request()));
        c_ = new std::string(c_of(prepared_->input()));
        bytes_ = new Bytes(built(*c_));
    }
    static void TearDownTestSuite() {
        delete bytes_;
        delete c_;
        delete prepared_;
    }

    static std::unique_ptr<vectors::TestHost> make_host(const spec::MapShape& shape = kArray) {
        auto host = vectors::TestHost::create(spec::ProgramType::Memory, {}, std::span(&shape, 1));
        EXPECT_TRUE(host);
        return *std::move(host);
    }

    static engine::Image* load(const engine::Bindings& bindings) {
        const auto library = ImageLibrary::load(*bytes_);
        EXPECT_TRUE(library) << library.error().message();
        const auto program = (*library)->find("program", prepared_->identity.hash);
        EXPECT_TRUE(program) << program.error().message();
        const auto image = bind(*library, **program, bindings);
        EXPECT_TRUE(image) << image.error().message;
        return image.value_or(nullptr);
    }

    static std::uint64_t run(vectors::TestHost& host, const engine::Image& image) {
        engine::Invocation invocation = host.start();
        return host.run(image, invocation);
    }

    static Prepared* prepared_;
    static std::string* c_;
    static Bytes* bytes_;
};
Prepared* Image::prepared_ = nullptr;
std::string* Image::c_ = nullptr;
Bytes* Image::bytes_ = nullptr;

TEST_F(Image, RunsOnTheMapsItIsBoundTo) {
    const auto one = make_host();
    const auto other = make_host();
    engine::Image* const first = load(one->bindings());
    engine::Image* const second = load(other->bindings());
    ASSERT_TRUE(first != nullptr && second != nullptr);
    EXPECT_EQ(first->kind, engine::EngineKind::Native);
    EXPECT_EQ(run(*one, *first), 1U);
    EXPECT_EQ(run(*one, *first), 2U);
    EXPECT_EQ(run(*other, *second), 1U);
    first->destroy(first);
    EXPECT_EQ(run(*other, *second), 2U);
    second->destroy(second);
}

TEST_F(Image, IsFoundByItsHashOnly) {
    const auto library = ImageLibrary::load(*bytes_);
    ASSERT_TRUE(library);
    platform::Sha256 hash = prepared_->identity.hash;
    EXPECT_TRUE((*library)->find("another name", hash));
    hash[31] ^= std::byte{1};
    const auto changed = (*library)->find("program", hash);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().status(), Status::Rejected);
    EXPECT_THAT(changed.error().message(), HasSubstr("'program' was made from other bytecode"));
    const auto unknown = (*library)->find("unknown", hash);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message(), HasSubstr("no program 'unknown', only program"));
}

TEST_F(Image, IsRefusedIfTheFileIsNotWhole) {
    EXPECT_THAT(refusal_of({}), HasSubstr("not "));
    EXPECT_THAT(refusal_of(Bytes(100, std::byte{'x'})), HasSubstr("not "));
    for (const std::size_t size : {4UL, 40UL, 64UL, 200UL, bytes_->size() / 4, bytes_->size() / 2}) {
        const std::string why =
            refusal_of(Bytes(bytes_->begin(), bytes_->begin() + static_cast<std::ptrdiff_t>(size)));
        EXPECT_THAT(why, HasSubstr("truncated")) << size;
    }
}

TEST_F(Image, IsRefusedIfItIsForAnotherHost) {
    Bytes other = *bytes_;
    other[18] = std::byte{0xf3};  // e_machine: RISC-V
    EXPECT_THAT(refusal_of(other), HasSubstr("an ELF file for machine 243"));
    other = *bytes_;
    other[16] = std::byte{2};  // e_type: a program
    EXPECT_THAT(refusal_of(other), HasSubstr("type 2, not a shared library"));
    EXPECT_FALSE(check_pe_library(*bytes_));
}

TEST_F(Image, IsRefusedWithoutATable) {
    EXPECT_THAT(refusal_of(built("int nothing(void);\nint nothing(void) { return 0; }\n")),
                HasSubstr("no symbol 'ebpf_native_table'"));
}

TEST_F(Image, IsRefusedWithAnotherVersion) {
    const Bytes other = built(replaced(*c_, ".version = EBPF_NATIVE_ABI_VERSION", ".version = 99"));
    const auto library = ImageLibrary::load(other);
    ASSERT_FALSE(library);
    EXPECT_EQ(library.error().status(), Status::VersionMismatch);
    EXPECT_THAT(library.error().message(),
                HasSubstr("version 99, this context needs " + std::to_string(EBPF_NATIVE_ABI_VERSION)));
}

TEST_F(Image, IsRefusedWithOtherSizes) {
    const Bytes other = built(replaced(*c_, ".map_size = sizeof(struct ebpf_native_map)", ".map_size = 8"));
    const auto library = ImageLibrary::load(other);
    ASSERT_FALSE(library);
    EXPECT_EQ(library.error().status(), Status::VersionMismatch);
}

TEST_F(Image, IsRefusedIfItsTableLacksParts) {
    EXPECT_THAT(refusal_of(built(replaced(*c_, ".entry = bpf_program", ".entry = 0"))),
                HasSubstr("lacks parts"));
    EXPECT_THAT(refusal_of(built(replaced(*c_, ".program_count = 1", ".program_count = 0"))),
                HasSubstr("0 programs"));
}

/// What binding says when the table or the bindings are not what they should be.
Fault fault_of(const Bytes& bytes, const engine::Bindings& bindings) {
    const auto library = ImageLibrary::load(bytes);
    EXPECT_TRUE(library);
    if (!library) return {};
    const auto image = bind(*library, (*library)->programs()[0], bindings);
    EXPECT_FALSE(image);
    return image ? Fault{} : image.error();
}

TEST_F(Image, IsNotBoundToOtherMaps) {
    const auto host = make_host({spec::MapType::Array, 4, 16, 4, 0});
    EXPECT_THAT(fault_of(*bytes_, host->bindings()).message,
                HasSubstr("map 0 of the image has another shape"));
    EXPECT_THAT(fault_of(*bytes_, {}).message, HasSubstr("the image has 1 maps, the program 0"));
    const auto same = make_host();
    const Bytes other = built(replaced(*c_, ".element_stride = 8", ".element_stride = 4"));
    EXPECT_THAT(fault_of(other, same->bindings()).message, HasSubstr("another shape"));
    auto without = *same->bindings().maps.data();
    without.value_address = 0;
    const Fault fault = fault_of(*bytes_, {std::span(&without, 1), helpers::bindings()});
    EXPECT_EQ(fault.status, Status::NotSupported);
    EXPECT_EQ(fault.slot, 5U);
}

TEST_F(Image, IsNotBoundToWhatThereIsNot) {
    const auto host = make_host();
    EXPECT_EQ(fault_of(built(replaced(*c_, ".kind = EBPF_NATIVE_MAP_VALUES", ".kind = 77")), host->bindings())
                  .status,
              Status::Malformed);
    EXPECT_EQ(fault_of(built(replaced(*c_, ".kind = EBPF_NATIVE_MAP_VALUES, .number = 0U",
                                      ".kind = EBPF_NATIVE_MAP_VALUES, .number = 1U")),
                       host->bindings())
                  .status,
              Status::NotFound);
    EXPECT_EQ(fault_of(built(replaced(*c_, ".kind = EBPF_NATIVE_MAP_VALUES, .number = 0U",
                                      ".kind = EBPF_NATIVE_HELPER, .number = 4711U")),
                       host->bindings())
                  .status,
              Status::NotFound);
}

// A program of one image must not be told from another's by anything that the author of the object chose.
TEST(HostileNames, StayNames) {
    auto request = request_for("r0 = 7\nexit\n");
    request.program_name = "x\"}; int main(void) { return 1; } /*\\";
    request.lines = {{0, 1, 1, "*/ int a = b; /*", "*/ #error x \\"}};
    request.subprograms = {{0, "main"}};
    request.maps.push_back({"\n#error y", kArray, false, {}});
    const Prepared prepared = prepare(request);
    const auto library = ImageLibrary::load(built(c_of(prepared.input())));
    ASSERT_TRUE(library) << library.error().message();
    EXPECT_EQ(std::string((*library)->programs()[0].name), request.program_name);
    EXPECT_EQ(std::string((*library)->programs()[0].maps[0].name), "\n#error y");
}

TEST(Build, LeavesNothingBehindAndSaysWhatTheCompilerSays) {
    const auto count = [] {
        std::size_t found = 0;
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
            found += entry.path().filename().string().starts_with("ebpf-") ? 1U : 0U;
        return found;
    };
    const std::string folder = ::testing::TempDir() + "ebpf_build_test";
    std::filesystem::create_directory(folder);
    setenv("TMPDIR", folder.c_str(), 1);
    const auto wrong = build("this is no C", kQuick);
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message(), HasSubstr("error:"));
    EXPECT_EQ(count(), 0U);
    EXPECT_FALSE(built("int x;\n").empty());
    EXPECT_EQ(count(), 0U);
    unsetenv("TMPDIR");
    std::filesystem::remove_all(folder);
    const auto missing =
        build("int x;\n", {.target = Target::Host, .compiler = "no-such-compiler", .options = {}});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().status(), Status::NotFound);
}

}  // namespace
}  // namespace ebpf::native
