// SPDX-License-Identifier: MIT
// ebpfd as clients meet it: on a socket in a folder of its own, with unprivileged requests only.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "client/client.hpp"
#include "client/linux/socket_backend.hpp"
#include "client/load_object.hpp"
#include "isa/text/assemble.hpp"
#include "platform/linux/rights.hpp"
#include "platform/linux/socket_path.hpp"
#include "protocol/frame.hpp"
#include "service/linux/jail/jail.hpp"
#include "service/linux/process_verifier.hpp"

namespace ebpf::service {
namespace {

using client::Client;
using client::ObjectKind;
using client::SocketBackend;
using platform::Descriptor;

constexpr const char* kDaemon = EBPF_BIN_DIR "/ebpfd";
constexpr auto kPause = std::chrono::milliseconds(5);
constexpr int kPatience = 1000;  // pauses

/// A daemon of this test's own.
class DaemonTest : public testing::Test {
  protected:
    void SetUp() override {
        std::array<char, 32> folder{"/tmp/ebpfd-test-XXXXXX"};
        ASSERT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder.data();
        socket_ = folder_ + "/s";
        pid_ = start();
        // The path appears a moment before the daemon listens.
        ASSERT_TRUE(is_served()) << "the daemon does not answer";
    }

    void TearDown() override {
        if (pid_ > 0) {
            EXPECT_EQ(stop(), 0);
        }
        EXPECT_NE(access(socket_.c_str(), F_OK), 0) << "the socket is left behind";
        EXPECT_EQ(rmdir(folder_.c_str()), 0) << "something is left behind";
    }

    pid_t start() const {
        const pid_t pid = fork();
        if (pid == 0) {
            const int nowhere = open("/dev/null", O_RDWR);
            dup2(nowhere, STDOUT_FILENO);
            dup2(nowhere, STDERR_FILENO);
            execl(kDaemon, "ebpfd", "--socket", socket_.c_str(), nullptr);
            _exit(127);
        }
        return pid;
    }

    [[nodiscard]] bool is_served() const {
        for (int i = 0; i < kPatience; ++i) {
            if (SocketBackend::connect(socket_)) return true;
            std::this_thread::sleep_for(kPause);
        }
        return false;
    }

    int stop() {
        kill(pid_, SIGTERM);
        int status = 0;
        waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    [[nodiscard]] std::unique_ptr<SocketBackend> connect() const {
        auto backend = SocketBackend::connect(socket_);
        EXPECT_TRUE(backend) << backend.error().message();
        return *std::move(backend);
    }

    [[nodiscard]] Descriptor connect_raw() const {
        Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto address = platform::socket_address(socket_).value();
        EXPECT_EQ(::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
                  0);
        return socket;
    }

    /// Waits until there are `count` maps.
    static bool reaches(Client& client, std::size_t count) {
        for (int i = 0; i < kPatience; ++i) {
            if (client.ids(ObjectKind::Map).value().size() == count) return true;
            std::this_thread::sleep_for(kPause);
        }
        return false;
    }

    static object::MapSpec map_spec() {
        object::MapSpec map;
        map.name = "m";
        map.shape = {spec::MapType::Array, 4, 8, 2, 0};
        return map;
    }

    std::string folder_;
    std::string socket_;
    pid_t pid_ = -1;
};

/// Sends `bytes` and returns the status of the answer; Ok also if the daemon hangs up without one.
Status answer_to(const Descriptor& socket, std::span<const std::byte> bytes,
                 std::span<const int> descriptors = {}) {
    EXPECT_GE(platform::send_with_rights(socket.number(), bytes, descriptors), 0);
    std::array<std::byte, protocol::kHeaderBytes> header{};
    std::vector<Descriptor> received;
    std::size_t done = 0;
    while (done < header.size()) {
        const ssize_t got =
            platform::receive_with_rights(socket.number(), std::span(header).subspan(done), received);
        if (got <= 0) return Status::Ok;
        done += static_cast<std::size_t>(got);
    }
    return static_cast<Status>(protocol::decode_header(header).value().status);
}

object::ObjectSpec object_of(const char* text) {
    object::ObjectSpec object;
    object::ProgramSpec program;
    program.name = "p";
    program.type = spec::ProgramType::Xdp;
    program.attach_type = 37;
    program.bytecode = isa::assemble(text).value();
    object.programs.push_back(std::move(program));
    return object;
}

TEST_F(DaemonTest, ServesMapsAndPrograms) {
    const auto backend = connect();
    Client client(*backend);
    const auto map = client.create_map(map_spec(), {}).value();
    const std::uint32_t key = 1;
    const std::uint64_t value = 77;
    ASSERT_TRUE(
        client.update(map, std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&value, 1)), 0));
    std::uint64_t back = 0;
    std::memcpy(&back, client.lookup(map, std::as_bytes(std::span(&key, 1))).value().data(), sizeof(back));
    EXPECT_EQ(back, value);

    const auto object = object_of("r0 = 1\nexit");
    const auto loaded = client::load_object(client, object, {&object.programs[0]}, {});
    ASSERT_TRUE(loaded) << loaded.error().message();
    ASSERT_FALSE(loaded->programs[0].offered.program.is_empty())
        << (loaded->programs[0].offered.report.failures.empty()
                ? ""
                : loaded->programs[0].offered.report.failures[0].message);
    EXPECT_EQ(client.test_run(loaded->programs[0].offered.program, client::Bytes(60), 3).value().result, 1U);
    const auto refused = object_of("exit");
    const auto offered = client::load_object(client, refused, {&refused.programs[0]}, {});
    ASSERT_TRUE(offered);
    EXPECT_TRUE(offered->programs[0].offered.program.is_empty());
}

TEST_F(DaemonTest, ThoseWhoWaitForRecordsHoldUpNobody) {
    constexpr int kWaiting = 6;  // more than do slow work at a time
    object::MapSpec ring = map_spec();
    ring.shape = {spec::MapType::RingBuffer, 0, 0, 4096, 0};
    const auto backend = connect();
    Client client(*backend);
    const auto map = client.create_map(ring, {}).value();
    ASSERT_TRUE(client.pin(map, "ring"));
    std::vector<std::thread> waiting;
    std::atomic<int> answered{0};
    for (int i = 0; i < kWaiting; ++i) {
        waiting.emplace_back([&] {
            const auto other = connect();
            Client reader(*other);
            const auto shared = reader.open_pin(ObjectKind::Map, "ring").value();
            EXPECT_TRUE(reader.records(shared, {.timeout_ms = spec::kMostWaitMs}).value().records.empty());
            ++answered;
        });
    }
    std::this_thread::sleep_for(kPause * 4);
    const auto object = object_of("r0 = 1\nexit");
    EXPECT_TRUE(client::load_object(client, object, {&object.programs[0]}, {}));
    EXPECT_EQ(answered.load(), 0) << "loading waited for the waiters";
    for (std::thread& thread : waiting) thread.join();
    EXPECT_EQ(answered.load(), kWaiting);
}

TEST_F(DaemonTest, PinsOutliveTheirClient) {
    {
        const auto backend = connect();
        Client client(*backend);
        const auto map = client.create_map(map_spec(), {}).value();
        ASSERT_TRUE(client.pin(map, "maps/a"));
        EXPECT_EQ(client.pin(map, "maps/a").error().status(), Status::AlreadyExists);
    }
    const auto backend = connect();
    Client client(*backend);
    EXPECT_TRUE(client.open_pin(ObjectKind::Map, "maps/a"));
    EXPECT_EQ(client.open_pin(ObjectKind::Program, "maps/a").error().status(), Status::WrongKind);
    ASSERT_EQ(client.pins().value().size(), 1U);
    ASSERT_TRUE(client.unpin("maps/a"));
    EXPECT_TRUE(reaches(client, 0));
}

TEST_F(DaemonTest, ObjectsGoWithTheLastCloseOfTheirDescriptor) {
    const auto backend = connect();
    Client client(*backend);
    const auto raw = connect_raw();
    protocol::MapCreateRequest request;
    request.type = 2;
    request.key_size = 4;
    request.value_size = 8;
    request.max_entries = 1;
    protocol::Header header;
    const auto frame = protocol::encode_frame(header, protocol::encode_request(request).value());
    ASSERT_GT(platform::send_with_rights(raw.number(), frame, {}), 0);
    std::array<std::byte, 256> answer{};
    std::vector<Descriptor> received;
    ASSERT_GT(platform::receive_with_rights(raw.number(), answer, received), 0);
    ASSERT_EQ(received.size(), 1U);

    Descriptor copy(dup(received[0].number()));
    received.clear();
    EXPECT_EQ(client.ids(ObjectKind::Map).value().size(), 1U) << "a copy is still open";
    // A process that inherits a copy keeps the map as well.
    const pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    copy.reset();
    std::this_thread::sleep_for(kPause * 4);
    EXPECT_EQ(client.ids(ObjectKind::Map).value().size(), 1U) << "another process has a copy";
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_TRUE(reaches(client, 0));
}

TEST_F(DaemonTest, SurvivesTheDeathOfAClient) {
    const pid_t child = fork();
    if (child == 0) {
        const auto backend = SocketBackend::connect(socket_);
        if (!backend) _exit(1);
        Client client(**backend);
        const auto map = client.create_map(map_spec(), {});
        pause();
        _exit(map ? 0 : 1);
    }
    const auto backend = connect();
    Client client(*backend);
    EXPECT_TRUE(reaches(client, 1));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_TRUE(reaches(client, 0));
}

TEST_F(DaemonTest, CountsClientsThatLeftWhileTheirRequestsTakeMemory) {
    constexpr int kMostClients = 2000;  // far more than are served at a time
    constexpr int kClientsAtOnce = 50;
    std::string text;
    for (int i = 0; i < 131072; ++i) text += "r0 = 2\n";
    protocol::ProgramVerifyRequest request;
    request.request.type = spec::ProgramType::Xdp;
    request.request.bytecode = isa::assemble(text + "exit").value();
    protocol::Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::ProgramVerify);
    const auto frame = protocol::encode_frame(header, protocol::encode_request(request).value());
    const auto send_and_leave = [&] {
        const auto raw = connect_raw();
        std::span<const std::byte> rest = frame;
        for (ssize_t done = 1; done > 0 && !rest.empty();) {
            done = platform::send_with_rights(raw.number(), rest, {});
            if (done > 0) rest = rest.subspan(static_cast<std::size_t>(done));
        }
    };
    const auto status = [this] {
        const auto ids = Client(*connect()).ids(ObjectKind::Map);
        return ids ? Status::Ok : ids.error().status();
    };
    // Sending takes less time than verifying.
    bool is_refused = false;
    for (int clients = 0; clients < kMostClients && !is_refused; clients += kClientsAtOnce) {
        for (int i = 0; i < kClientsAtOnce; ++i) send_and_leave();
        is_refused = status() == Status::LimitExceeded;
    }
    EXPECT_TRUE(is_refused);
    bool is_served = false;
    for (int i = 0; i < 4 * kPatience && !is_served; ++i) {
        std::this_thread::sleep_for(kPause);
        is_served = status() == Status::Ok;
    }
    EXPECT_TRUE(is_served) << "as requests are done, there is room again";
}

TEST_F(DaemonTest, RefusesBrokenMessages) {
    protocol::Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::MapNextId);
    const auto frame = [](const protocol::Header& changed) {
        std::vector<std::byte> bytes(protocol::kHeaderBytes);
        std::memcpy(bytes.data(), &changed, sizeof(changed));
        return bytes;
    };
    protocol::Header changed = header;
    changed.version = 9;
    EXPECT_EQ(answer_to(connect_raw(), frame(changed)), Status::VersionMismatch);
    changed = header;
    changed.payload_bytes = 0xffffffff;
    EXPECT_EQ(answer_to(connect_raw(), frame(changed)), Status::TooBig);
    changed = header;
    changed.operation = 0x7777;
    EXPECT_EQ(answer_to(connect_raw(), frame(changed)), Status::NotSupported);
    changed = header;
    EXPECT_EQ(answer_to(connect_raw(), frame(changed)), Status::Malformed) << "the field is missing";
    changed.handles = 1;
    EXPECT_EQ(answer_to(connect_raw(), frame(changed)), Status::Malformed) << "the handle is missing";
    const std::vector<std::byte> noise(4096, std::byte{0x5a});
    EXPECT_EQ(answer_to(connect_raw(), noise), Status::VersionMismatch);
    const auto backend = connect();
    EXPECT_TRUE(Client(*backend).ids(ObjectKind::Map)) << "the daemon goes on";
}

#if !defined(EBPF_ADDRESS_SANITIZER)  // which needs the address space
TEST_F(DaemonTest, OneThatTakesTooMuchMemoryLosesItsConnectionOnly) {
    constexpr rlim_t kPage = 4096;
    constexpr rlim_t kMore = rlim_t{16} << 20U;
    const auto other = connect();
    Client client(*other);
    ASSERT_TRUE(client.ids(ObjectKind::Map)) << "once it answers, all its threads have their stacks";
    rlim_t pages = 0;
    std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> pages;
    ASSERT_NE(pages, 0U);
    const rlimit limit{pages * kPage + kMore, RLIM_INFINITY};
    ASSERT_EQ(prlimit(pid_, RLIMIT_AS, &limit, nullptr), 0);

    protocol::Header header;
    header.operation = static_cast<std::uint32_t>(spec::Operation::MapNextId);
    header.payload_bytes = spec::kMaxMessageBytes;
    const auto raw = connect_raw();
    const auto frame = protocol::encode_frame(header, std::vector<std::byte>(header.payload_bytes));
    std::vector<Descriptor> none;
    std::byte answer{};
    EXPECT_FALSE(platform::send_all(raw.number(), frame, {}) &&
                 platform::receive_all(raw.number(), {&answer, 1}, none));

    EXPECT_TRUE(client.create_map(map_spec(), {}));
}
#endif

TEST_F(DaemonTest, RefusesForeignDescriptorsAsHandles) {
    const Descriptor file(open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    const Descriptor first(pair[0]);
    const Descriptor second(pair[1]);
    for (const int number : {file.number(), first.number()}) {
        protocol::MapFreezeRequest request;
        request.map = 0;
        protocol::Header header;
        header.operation = static_cast<std::uint32_t>(spec::Operation::MapFreeze);
        header.handles = 1;
        const auto bytes = protocol::encode_frame(header, protocol::encode_request(request).value());
        EXPECT_EQ(answer_to(connect_raw(), bytes, std::span(&number, 1)), Status::BadHandle);
    }
}

TEST_F(DaemonTest, RefusesOtherUsers) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
    ASSERT_EQ(chmod(socket_.c_str(), 0666), 0);
    const pid_t child = fork();
    if (child == 0) {
        constexpr uid_t kOther = 12345;
        if (setresuid(kOther, kOther, kOther) != 0) _exit(1);
        const auto backend = SocketBackend::connect(socket_);
        if (!backend) _exit(2);
        const auto ids = Client(**backend).ids(ObjectKind::Map);
        _exit(!ids && ids.error().status() == Status::NoPermission ? 0 : 3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(DaemonTest, RefusesToStartTwice) {
    const pid_t second = start();
    int status = 0;
    waitpid(second, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 4);
    const auto backend = connect();
    EXPECT_TRUE(Client(*backend).ids(ObjectKind::Map)) << "the first one goes on";
}

TEST_F(DaemonTest, ReplacesTheSocketOfADeadDaemon) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    ASSERT_EQ(access(socket_.c_str(), F_OK), 0);
    pid_ = start();
    EXPECT_TRUE(is_served());
}

TEST(ProcessVerifier, RefusesWhatAProgramThatIsNoVerifierSays) {
    verifier::Request request;
    request.type = spec::ProgramType::Xdp;
    request.bytecode = isa::assemble("r0 = 2\nexit").value();
    ProcessVerifier silent({.path = "/bin/true"});
    const auto answer = silent.run(request);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->report.verdict, verifier::Verdict::Reject);
    ASSERT_FALSE(answer->report.failures.empty());
    EXPECT_EQ(answer->report.failures[0].category, "internal");
    ProcessVerifier failing({.path = "/bin/false"});
    EXPECT_EQ(failing.run(request)->report.failures.at(0).category, "internal");
    ProcessVerifier missing({.path = "/nonexistent"});
    EXPECT_EQ(missing.run(request).error().status(), Status::Environment);
}

TEST(ProcessVerifier, EndsAVerifierThatHangs) {
    std::array<char, 32> script{"/tmp/ebpfd-hang-XXXXXX"};
    const int file = mkstemp(script.data());
    ASSERT_GE(file, 0);
    const std::string text = "#!/bin/sh\nexec sleep 60\n";
    ASSERT_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    fchmod(file, 0700);
    close(file);
    verifier::Request request;
    request.limits.time_ns = 50'000'000;
    ProcessVerifier hanging({.path = script.data(), .grace_ns = 50'000'000});
    const auto answer = hanging.run(request);
    unlink(script.data());
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->report.failures.at(0).category, "limit");
}

}  // namespace
}  // namespace ebpf::service
