// SPDX-License-Identifier: MIT
// Extensions in files: which are taken, and that a file may change or go while its library is in use.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

#include "client/client.hpp"
#include "client/local_backend.hpp"
#include "isa/text/assemble.hpp"
#include "platform/file.hpp"

namespace ebpf::service {
namespace {

using client::Client;
using client::Handle;
using testing::HasSubstr;

constexpr std::size_t kMostBytes = std::size_t{16} << 20U;

class ExtensionFileTest : public testing::Test {
  protected:
    void SetUp() override {
        std::array<char, 40> folder{"/tmp/ebpf-extension-test-XXXXXX"};
        ASSERT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder.data();
        backend_ = client::LocalBackend::create({}).value();
        client_ = std::make_unique<Client>(*backend_);
    }
    void TearDown() override {
        client_.reset();
        backend_.reset();
        unlink(path_.c_str());
        EXPECT_EQ(rmdir(folder_.c_str()), 0);
    }

    static std::vector<std::byte> bytes_of(const std::string& name) {
        return platform::read_file(std::string(EBPF_MODULES) + "/" + name + ".so", kMostBytes).value();
    }
    /// Puts bytes into a file of the test's own and returns its path.
    std::string put(const std::vector<std::byte>& bytes, mode_t mode = 0644) {
        path_ = folder_ + "/extension.so";
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        file.close();
        EXPECT_EQ(chmod(path_.c_str(), mode), 0);
        return path_;
    }
    void expect_refused(const std::string& path, Status status, const std::string& text) {
        const auto loaded = client_->load_extension(path);
        ASSERT_FALSE(loaded) << text;
        EXPECT_EQ(loaded.error().status(), status) << loaded.error().message();
        EXPECT_THAT(loaded.error().message(), HasSubstr(path));
        EXPECT_THAT(loaded.error().message(), HasSubstr(text));
        EXPECT_TRUE(client_->program_types().value().empty());
    }
    Handle load_program() {
        protocol::ProgramLoadRequest request;
        request.type = client_->program_types().value().at(0).type;
        request.name = "build";
        request.bytecode = isa::assemble("call 0x1000000\nexit").value();
        auto offered = client_->offer(request, {});
        EXPECT_TRUE(offered) << offered.error().message();
        return std::move(offered->program);
    }
    std::uint64_t run(const Handle& program) { return client_->test_run(program, {}, 1).value().result; }

    std::string folder_;
    std::string path_;
    std::unique_ptr<client::LocalBackend> backend_;
    std::unique_ptr<Client> client_;
};

TEST_F(ExtensionFileTest, IsLoadedOnceAtATime) {
    const std::string path = put(bytes_of("good"));
    EXPECT_EQ(client_->load_extension(path).value(), "small");
    EXPECT_EQ(run(load_program()), 1U);
    const auto again = client_->load_extension(path);
    EXPECT_EQ(again.error().status(), Status::AlreadyExists);
    ASSERT_TRUE(client_->unload_extension("small"));
    EXPECT_TRUE(client_->load_extension(path));
}

TEST_F(ExtensionFileTest, WhatIsWrongWithAFileIsNamed) {
    const std::string path = put({});
    expect_refused("extension.so", Status::InvalidArgument, "must be absolute");
    expect_refused(folder_ + "/none.so", Status::NotFound, "No such file");
    expect_refused(folder_, Status::InvalidArgument, "not a regular file");
    expect_refused(path, Status::Malformed, "not an ELF file");
    auto bytes = bytes_of("good");
    bytes.resize(bytes.size() / 2);
    const auto cut = client_->load_extension(put(bytes));
    EXPECT_FALSE(cut);
    expect_refused(put(bytes_of("no_entry")), Status::NotFound, "exports no ebpf_extension_entry()");
    expect_refused(put(bytes_of("not_here")), Status::NotSupported, "cannot work here");
    expect_refused(put(bytes_of("old_version")), Status::VersionMismatch,
                   "extension ABI: version 0 with 48 bytes, expected is version 1 with 48");
}

TEST_F(ExtensionFileTest, FilesThatOthersMayWriteAreRefused) {
    const auto bytes = bytes_of("good");
    expect_refused(put(bytes, 0666), Status::NoPermission, "others than its owner may write it (mode 0666)");
    expect_refused(put(bytes, 0664), Status::NoPermission, "(mode 0664)");
    const std::string path = put(bytes, 0600);
    if (geteuid() == 0) {
        constexpr uid_t kOther = 12345;
        ASSERT_EQ(chown(path.c_str(), kOther, 0), 0);
        expect_refused(path, Status::NoPermission, "it belongs to user 12345");
        ASSERT_EQ(chown(path.c_str(), 0, 0), 0);
    }
    EXPECT_TRUE(client_->load_extension(path));
}

TEST_F(ExtensionFileTest, AFileMayChangeWhileItsLibraryRuns) {
    ASSERT_TRUE(client_->load_extension(put(bytes_of("good"))));
    Handle program = load_program();
    put({});  // in place
    EXPECT_EQ(run(program), 1U);
    ASSERT_TRUE(client_->unload_extension("small"));
    expect_refused(put(bytes_of("other_build")), Status::Busy, "programs are loaded of another one");
    ASSERT_TRUE(client_->load_extension(put(bytes_of("good")))) << "the same bytes are the same library";
    EXPECT_EQ(run(program), 1U);
    ASSERT_TRUE(client_->unload_extension("small"));
    program = Handle();
    ASSERT_TRUE(client_->load_extension(put(bytes_of("other_build"))));
    EXPECT_EQ(run(load_program()), 2U);
}

TEST_F(ExtensionFileTest, ManyTimesLeavesNothingBehind) {
    const std::string path = put(bytes_of("good"));
    const auto open_files = [] {
        int count = 0;
        for (int number = 0; number < 1024; ++number) count += fcntl(number, F_GETFD) >= 0 ? 1 : 0;
        return count;
    };
    int before = 0;
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(client_->load_extension(path));
        EXPECT_EQ(run(load_program()), 1U);
        ASSERT_TRUE(client_->unload_extension("small"));
        EXPECT_TRUE(client_->ids(client::ObjectKind::Program).value().empty());
        if (i == 0) before = open_files();
    }
    EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace ebpf::service
