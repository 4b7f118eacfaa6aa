// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <expected>
#include <utility>

#include "hooks/socket/linux/destination.hpp"
#include "hooks/socket/linux/memory.hpp"
#include "hooks/socket/linux/message.hpp"
#include "hooks/socket/linux/operations.hpp"
#include "hooks/socket/linux/rights.hpp"

namespace ebpf::hooks::socket {
namespace {

using platform::Descriptor;
using spec::AttachType;

constexpr MostData kDatagram{0xffff, false};
constexpr MostData kStream{std::size_t{1} << 20U, true};
constexpr MostData kOther{std::size_t{1} << 20U, false};
constexpr std::uint32_t kMostMessages = 1024;  // Source: Linux include/uapi/linux/uio.h, UIO_MAXIOV

/// A message under way, with all that it takes to go on sending it.
struct Sending {
    std::uint64_t call = 0;
    int thread = 0;   ///< of the caller
    int process = 0;  ///< that one's; 0: not known
    Descriptor socket;
    Descriptor folder;  ///< where a relative path starts, for sockets that have paths
    int flags = 0;      ///< the caller's
    bool is_stream = false;
    Message message;
    std::size_t sent = 0;
};

bool is_udp(const SocketFacts& facts) {
    return (facts.family == AF_INET || facts.family == AF_INET6) && facts.type == SOCK_DGRAM &&
           (facts.protocol == IPPROTO_UDP || facts.protocol == IPPROTO_UDPLITE);
}

int flags_of(const Call& call) {
    return static_cast<int>(call.arguments[call.number == SYS_sendmsg ? 2 : 3]);
}

/// Sends what is left, or a part of it. Returns how much, or a negative errno.
int send_part(Sending& sending, int more_flags) {
    Message& message = sending.message;
    iovec place{message.data.data() + sending.sent, message.data.size() - sending.sent};
    msghdr header{};
    header.msg_iov = &place;
    header.msg_iovlen = 1;
    if (message.destination) {
        header.msg_name = &message.destination->bytes;
        header.msg_namelen = message.destination->length;
    }
    if (!message.control.empty() && sending.sent == 0) {
        header.msg_control = message.control.data();
        header.msg_controllen = message.control.size();
    }
    // A signal would be ours.
    const ssize_t sent = sendmsg(sending.socket.number(), &header, sending.flags | more_flags | MSG_NOSIGNAL);
    if (sent < 0) return -errno;
    sending.sent += static_cast<std::size_t>(sent);
    return static_cast<int>(sent);
}

bool is_done(const Sending& sending) {
    return !sending.is_stream || sending.sent >= sending.message.data.size();
}

/// What the caller gets when `error` ends a message.
int result_of(const Sending& sending, int error) {
    if (sending.sent != 0) return static_cast<int>(sending.sent);
    if (error == -EPIPE && sending.is_stream && (sending.flags & MSG_NOSIGNAL) == 0 && sending.process != 0)
        syscall(SYS_tgkill, sending.process, sending.thread, SIGPIPE);
    return error;
}

/// Goes on sending for as long as the caller would wait.
std::optional<int> send_waiting(Sending& sending, const Turn& turn) {
    if (sending.folder.is_open() && (!turn.has_folder || fchdir(sending.folder.number()) != 0)) return -EPERM;
    const auto deadline = deadline_of(sending.socket, SO_SNDTIMEO);
    while (true) {
        const int sent = send_part(sending, 0);
        if (sent == -EINTR) {
            std::optional<int> result;
            if (!goes_on(sending.call, sending.thread, turn, result))
                return result ? std::optional<int>(result_of(sending, *result)) : result;
            if (deadline && std::chrono::steady_clock::now() >= *deadline) return result_of(sending, -EAGAIN);
            continue;
        }
        if (sent < 0) return result_of(sending, sent);
        if (is_done(sending)) return static_cast<int>(sending.sent);
    }
}

/// Whether the kernel would have the caller wait until there is room.
bool may_wait(const Sending& sending) {
    const int status = fcntl(sending.socket.number(), F_GETFL);
    return (sending.flags & MSG_DONTWAIT) == 0 && status >= 0 && (status & O_NONBLOCK) == 0;
}

/// Copies that are not copied are told of on the socket, which would be of our memory.
int without_zero_copy(Sending& sending) {
    if ((sending.flags & MSG_ZEROCOPY) == 0) return 0;
    int is_on = 0;
    socklen_t size = sizeof is_on;
    getsockopt(sending.socket.number(), SOL_SOCKET, SO_ZEROCOPY, &is_on, &size);
    if (is_on != 0) return -ENOBUFS;
    sending.flags &= ~MSG_ZEROCOPY;
    return 0;
}

/// One call of a caller: its messages, one after the other.
class Send {
  public:
    Send(const Call& call, const Means& means, Descriptor socket, const SocketFacts& facts)
        : call_(&call), means_(&means), facts_(facts), most_(most_of(facts)) {
        sending_.call = call.id;
        sending_.thread = call.thread;
        sending_.socket = std::move(socket);
        sending_.flags = flags_of(call);
        sending_.is_stream = facts.type == SOCK_STREAM;
    }

    std::optional<int> run() {
        if (!is_udp(facts_)) {
            const auto status = read_status(call_->thread);
            if (!means_->listener.is_waiting(call_->id)) return std::nullopt;
            if (!status) return status.error();
            // The kernel looks at the descriptor once more, which is the same while there is one thread.
            if (status->threads == 1) {
                means_->listener.let_continue(call_->id);
                return std::nullopt;
            }
            sending_.process = status->task.process;
            if (const int error = check_other(); error != 0) return error;
        } else if (has_programs()) {
            task_ = means_->callers.who(call_->thread);
        }
        if (const int error = without_zero_copy(sending_); error != 0) return error;
        return call_->number == SYS_sendmmsg ? run_all() : run_one(0);
    }

  private:
    static MostData most_of(const SocketFacts& facts) {
        if (is_udp(facts)) return kDatagram;
        return facts.type == SOCK_STREAM ? kStream : kOther;
    }

    [[nodiscard]] bool has_programs() const {
        return !means_->points.chain(AttachType::Udp4Sendmsg).is_empty() ||
               !means_->points.chain(AttachType::Udp6Sendmsg).is_empty();
    }

    /// Sockets other than internet ones are told who sends, and paths are looked up.
    int check_other() {
        if (facts_.family == AF_INET || facts_.family == AF_INET6) return 0;
        if (!means_->has_folder || !has_our_files(call_->thread) || !Binder::is_like_us(call_->thread))
            return -EPERM;
        if (facts_.family != AF_UNIX) return 0;
        const auto path = fmt::format("/proc/{}/cwd", call_->thread);
        sending_.folder.reset(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        return sending_.folder.is_open() ? 0 : -EPERM;
    }

    std::expected<Message, int> read(std::uint32_t index) {
        if (call_->number == SYS_sendto) return read_plain(*call_, most_);
        return read_message(call_->thread, call_->arguments[1] + index * sizeof(mmsghdr), most_);
    }

    /// Control data is read with our rights.
    int check_control(Message& message) {
        if (message.control.empty()) return 0;
        if (facts_.family != AF_INET && facts_.family != AF_INET6)
            return take_passed(message, call_->thread, means_->callers);
        switch (control_asks(message.control)) {
            case Asking::Nothing:
                return 0;
            case Asking::Rights:
                return Binder::is_like_us(call_->thread) ? 0 : -EPERM;
            case Asking::Malformed:
                break;
        }
        return -EINVAL;
    }

    /// Lets programs decide where the message goes. Returns 0 or a negative errno.
    int decide(Message& message) {
        if (!is_udp(facts_) || !message.destination) return 0;
        Address& destination = *message.destination;
        const Route way = route_datagram(facts_.family, destination);
        if (way.way == Way::Refuse) return way.error;
        if (way.way != Way::Hook) return 0;
        if (means_->points.refuses(way.attach)) return -EPERM;
        Chain& chain = means_->points.chain(way.attach);
        if (chain.is_empty()) return 0;
        if (!task_) return task_.error();
        Address own;
        read_name(sending_.socket, own);
        ebpf_sock_addr_context context = context_of(facts_);
        read_destination(destination, own, way.attach, context);
        const auto source = source_in(context, way.attach);
        read_source(message.control, source);
        const std::vector<std::byte> before(source.begin(), source.end());
        if (const int refused = chain.run(context, *task_); refused != 0) return refused;
        if (!std::ranges::equal(before, source)) put_source(source, message.control);
        return write_destination(context, way.attach, destination);
    }

    static std::span<std::byte> source_in(ebpf_sock_addr_context& context, AttachType attach) {
        const auto all = std::as_writable_bytes(std::span(context.msg_src));
        constexpr std::size_t kWord = sizeof context.msg_src[0];
        return attach == AttachType::Udp4Sendmsg ? all.first(kWord) : all.subspan(kWord, 4 * kWord);
    }

    /// Sends one message as far as it goes without waiting. Returns how much, or a negative errno; nothing:
    /// the caller has gone.
    std::optional<int> send_one(std::uint32_t index) {
        sending_.sent = 0;
        auto message = read(index);
        int refused = message ? check_control(*message) : message.error();
        if (!means_->listener.is_waiting(call_->id)) return std::nullopt;
        if (refused == 0) refused = decide(*message);
        if (refused != 0) return refused;
        sending_.message = *std::move(message);
        if (sending_.folder.is_open() && fchdir(sending_.folder.number()) != 0) return -errno;
        return send_part(sending_, MSG_DONTWAIT);
    }

    std::optional<int> run_one(std::uint32_t index) {
        const auto sent = send_one(index);
        if (!sent) return sent;
        const bool is_left = *sent == -EAGAIN || (*sent >= 0 && !is_done(sending_));
        if (!is_left || !may_wait(sending_)) return result_of(sending_, *sent);
        wait([](int result) { return result; });
        return std::nullopt;
    }

    /// sendmmsg(): how many messages were sent, unless the first one fails.
    std::optional<int> run_all() {
        const auto count = std::min(static_cast<std::uint32_t>(call_->arguments[2]), kMostMessages);
        CallerMemory memory(call_->thread);
        std::uint32_t done = 0;
        int error = 0;
        while (done < count && error == 0) {
            const auto sent = send_one(done);
            if (!sent) return sent;
            const bool is_left = *sent == -EAGAIN || (*sent >= 0 && !is_done(sending_));
            if (is_left && done == 0 && may_wait(sending_)) {
                wait_for_first(std::move(memory));
                return std::nullopt;
            }
            error = *sent < 0 ? result_of(sending_, *sent) : put_length(memory, *call_, done, *sent);
            if (error == 0) ++done;
            if (is_left) break;
        }
        return done != 0 ? static_cast<int>(done) : error;
    }

    static int put_length(const CallerMemory& memory, const Call& call, std::uint32_t index, int sent) {
        const auto length = static_cast<std::uint32_t>(sent);
        const std::uint64_t place = call.arguments[1] + index * sizeof(mmsghdr) + offsetof(mmsghdr, msg_len);
        return memory.write(place, std::as_bytes(std::span(&length, 1)));
    }

    /// Hands what is left to a thread that may wait; `then` makes the call's result of what was sent.
    template <typename Then>
    void wait(Then then) {
        const std::uint64_t call = sending_.call;
        means_->pool.start(call,
                           [sending = std::move(sending_), then = std::move(then)](const Turn& turn) mutable {
                               const std::optional<int> sent = send_waiting(sending, turn);
                               return sent && *sent >= 0 ? std::optional<int>(then(*sent)) : sent;
                           });
    }

    void wait_for_first(CallerMemory memory) {
        wait([call = *call_, memory = std::move(memory)](int sent) {
            const int error = put_length(memory, call, 0, sent);
            return error != 0 ? error : 1;
        });
    }

    const Call* call_;
    const Means* means_;
    SocketFacts facts_;
    MostData most_;
    Sending sending_;
    std::expected<Task, int> task_;
};

}  // namespace

std::optional<int> send(const Call& call, const Means& means) {
    auto socket = means.callers.take_descriptor(call.thread, static_cast<int>(call.arguments[0]));
    if (!socket) return socket.error();
    const auto facts = read_facts(*socket);
    if (!facts) return facts.error();
    if (const auto decided = route_family(facts->family); decided && decided->way == Way::Refuse)
        return decided->error;
    Send sends(call, means, *std::move(socket), *facts);
    return sends.run();
}

}  // namespace ebpf::hooks::socket
