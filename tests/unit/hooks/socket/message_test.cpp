// SPDX-License-Identifier: MIT
// The caller is this thread: its memory is read as that of others is.
#include "hooks/socket/linux/message.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "hooks/socket/linux/memory.hpp"
#include "hooks/socket/linux/notification.hpp"

namespace ebpf::hooks::socket {
namespace {

constexpr MostData kMost{64, false};

int self() {
    return static_cast<int>(syscall(SYS_gettid));
}

std::uint64_t place(const void* memory) {
    return reinterpret_cast<std::uint64_t>(memory);
}

std::string text(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A header of its own, to be spoilt.
struct Given {
    std::array<iovec, 2> places;
    msghdr header{};
    Given() {
        static char first[] = "one ";
        static char second[] = "two";
        places = {iovec{first, 4}, iovec{second, 3}};
        header.msg_iov = places.data();
        header.msg_iovlen = places.size();
    }
    [[nodiscard]] std::expected<Message, int> read(MostData most = kMost) const {
        return read_message(self(), place(&header), most);
    }
    [[nodiscard]] int error(MostData most = kMost) const {
        const auto message = read(most);
        return message ? 0 : message.error();
    }
};

TEST(Message, IsCopied) {
    Given given;
    sockaddr_in inet{};
    inet.sin_family = AF_INET;
    inet.sin_port = htons(53);
    given.header.msg_name = &inet;
    given.header.msg_namelen = sizeof inet;
    const auto message = given.read();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(text(message->data), "one two");
    ASSERT_TRUE(message->destination.has_value());
    EXPECT_EQ(port_of(*message->destination), 53);
}

TEST(Message, LengthsAreTakenAsTheKernelTakesThem) {
    Given given;
    sockaddr_storage storage{};
    given.header.msg_name = &storage;
    given.header.msg_namelen = 0;
    EXPECT_FALSE(given.read()->destination.has_value());
    given.header.msg_namelen = 4096;
    EXPECT_EQ(given.read()->destination->length, sizeof storage);
    given.header.msg_namelen = static_cast<socklen_t>(-1);
    EXPECT_EQ(given.error(), -EINVAL);
    given.header.msg_name = nullptr;
    EXPECT_EQ(given.error(), 0);
    given.header.msg_iovlen = IOV_MAX + 1;
    EXPECT_EQ(given.error(), -EMSGSIZE);
    given.header.msg_iovlen = ~std::size_t{0};
    EXPECT_EQ(given.error(), -EMSGSIZE);
    given.header.msg_iovlen = 2;
    given.places[1].iov_len = 1000;
    EXPECT_EQ(given.error(), -EMSGSIZE);
    given.places[1].iov_len = ~std::size_t{0};
    EXPECT_EQ(given.error(), -EINVAL);
    given.places[1].iov_len = 1000;
    const auto cut = given.read({6, true});
    ASSERT_TRUE(cut.has_value());
    EXPECT_EQ(text(cut->data), "one tw");
    given.header.msg_controllen = std::size_t{1} << 40U;
    EXPECT_EQ(given.error({6, true}), -ENOBUFS);
}

TEST(Message, BadPlacesAreFaults) {
    EXPECT_EQ(read_message(self(), 8, kMost).error(), -EFAULT);
    EXPECT_EQ(read_message(self(), ~std::uint64_t{0}, kMost).error(), -EFAULT);
    Given given;
    given.places[0].iov_base = reinterpret_cast<void*>(8);
    EXPECT_EQ(given.error(), -EFAULT);
    given = {};
    given.header.msg_iov = reinterpret_cast<iovec*>(8);
    EXPECT_EQ(given.error(), -EFAULT);
    given = {};
    given.header.msg_name = reinterpret_cast<void*>(8);
    given.header.msg_namelen = 16;
    EXPECT_EQ(given.error(), -EFAULT);
    given = {};
    given.header.msg_control = reinterpret_cast<void*>(8);
    given.header.msg_controllen = 16;
    EXPECT_EQ(given.error(), -EFAULT);
}

TEST(Message, PlainOnes) {
    Call call;
    call.thread = self();
    const std::string_view data = "question";
    call.arguments = {0, place(data.data()), data.size(), 0, 0, 0};
    EXPECT_EQ(text(read_plain(call, kMost)->data), data);
    EXPECT_FALSE(read_plain(call, kMost)->destination.has_value());
    sockaddr_in inet{};
    call.arguments[4] = place(&inet);
    EXPECT_EQ(read_plain(call, kMost)->destination->length, 0U);
    for (const std::int32_t length : {-1, 129, INT_MIN}) {
        call.arguments[5] = static_cast<std::uint32_t>(length);
        EXPECT_EQ(read_plain(call, kMost).error(), -EINVAL) << length;
    }
    call.arguments[5] = sizeof inet;
    EXPECT_EQ(read_plain(call, kMost)->destination->length, sizeof inet);
    call.arguments[2] = 65;
    EXPECT_EQ(read_plain(call, kMost).error(), -EMSGSIZE);
    call.arguments[2] = ~std::uint64_t{0};
    EXPECT_EQ(read_plain(call, kMost).error(), -EMSGSIZE);
}

template <typename T>
std::vector<std::byte> control_of(int level, int type, const T& value) {
    std::vector<std::byte> control(CMSG_SPACE(sizeof value));
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof value);
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::memcpy(control.data(), &header, sizeof header);
    std::memcpy(control.data() + CMSG_LEN(0), &value, sizeof value);
    return control;
}

TEST(Message, ControlDataThatNeedsRightsIsKnown) {
    EXPECT_EQ(control_asks({}), Asking::Nothing);
    auto control = control_of(IPPROTO_IP, IP_TTL, 5);
    EXPECT_EQ(control_asks(control), Asking::Nothing);
    const auto mark = control_of(SOL_SOCKET, SO_MARK, 5);
    EXPECT_EQ(control_asks(mark), Asking::Rights);
    control.insert(control.end(), mark.begin(), mark.end());
    EXPECT_EQ(control_asks(control), Asking::Rights);
    control.resize(control.size() - 6);  // a whole header, and a part of its data
    EXPECT_EQ(control_asks(control), Asking::Malformed);
    std::vector<std::byte> zero(64);
    EXPECT_EQ(control_asks(zero), Asking::Malformed);
    EXPECT_EQ(control_asks(std::span(zero).first(8)), Asking::Nothing) << "the kernel, too, sees no header";
    const std::size_t huge = ~std::size_t{0};
    std::memcpy(zero.data(), &huge, sizeof huge);
    EXPECT_EQ(control_asks(zero), Asking::Malformed);
}

TEST(Message, SourceIsReadAndPut) {
    const std::uint32_t address = htonl(0x7f000002);
    std::vector<std::byte> control = control_of(IPPROTO_IP, IP_TTL, 5);
    control.resize(CMSG_LEN(sizeof(int)));  // without what fills up
    put_source(std::as_bytes(std::span(&address, 1)), control);
    EXPECT_EQ(control_asks(control), Asking::Nothing);
    std::uint32_t read = 0;
    read_source(control, std::as_writable_bytes(std::span(&read, 1)));
    EXPECT_EQ(read, address);
    in6_addr six = in6addr_loopback;
    in6_addr read6{};
    read_source(control, std::as_writable_bytes(std::span(&read6, 1)));
    EXPECT_EQ(std::memcmp(&read6, &in6addr_any, sizeof read6), 0);
    put_source(std::as_bytes(std::span(&six, 1)), control);
    read_source(control, std::as_writable_bytes(std::span(&read6, 1)));
    EXPECT_EQ(std::memcmp(&read6, &six, sizeof six), 0);
}

TEST(Message, PassedDescriptorsBecomeOurs) {
    Callers callers;
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    Message message;
    message.control = control_of(SOL_SOCKET, SCM_RIGHTS, ends);
    ASSERT_EQ(take_passed(message, self(), callers), 0);
    ASSERT_EQ(message.passed.size(), 2U);
    int named[2];
    std::memcpy(named, message.control.data() + CMSG_LEN(0), sizeof named);
    EXPECT_EQ(named[0], message.passed[0].number());
    EXPECT_NE(named[0], ends[0]);
    EXPECT_EQ(write(named[1], "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);

    Message bad;
    bad.control = control_of(SOL_SOCKET, SCM_RIGHTS, ends);
    EXPECT_EQ(take_passed(bad, self(), callers), -EBADF);
    bad.control = control_of(SOL_SOCKET, SCM_CREDENTIALS, ucred{});
    EXPECT_EQ(take_passed(bad, self(), callers), -EPERM);
    bad.control = control_of(SOL_SOCKET, SCM_RIGHTS, std::array<int, 254>{});
    EXPECT_EQ(take_passed(bad, self(), callers), -EINVAL);
    bad.control.resize(CMSG_LEN(0) + 4);
    EXPECT_EQ(take_passed(bad, self(), callers), -EINVAL);
}

TEST(CallerMemory, IsWrittenWhereTheCallerMayWrite) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* mapped = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(mapped, MAP_FAILED);
    auto* bytes = static_cast<char*>(mapped);
    const CallerMemory memory(self());
    const auto four = std::as_bytes(std::span("1234", 4));
    EXPECT_EQ(memory.write(place(bytes + page - 2), four), 0);
    EXPECT_EQ(std::memcmp(bytes + page - 2, "1234", 4), 0);
    ASSERT_EQ(mprotect(bytes + page, page, PROT_READ), 0);
    EXPECT_EQ(memory.write(place(bytes + page), four), -EFAULT);
    EXPECT_EQ(memory.write(place(bytes + page - 2), four), -EFAULT);
    ASSERT_EQ(mprotect(bytes, 2 * page, PROT_NONE), 0);
    EXPECT_EQ(memory.write(place(bytes), four), -EFAULT);
    munmap(mapped, 2 * page);
    EXPECT_EQ(memory.write(place(bytes), four), -EFAULT);
    EXPECT_EQ(memory.write(~std::uint64_t{0}, four), -EFAULT);
    EXPECT_EQ(memory.write(0, {}), 0);
}

}  // namespace
}  // namespace ebpf::hooks::socket
