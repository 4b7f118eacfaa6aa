// SPDX-License-Identifier: MIT
#include "service/linux/event_loop.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "base/try.hpp"

namespace ebpf::service {
namespace {

// Keys below EventLoop::next_key_'s first value.
constexpr HandleTable::Key kListener = 1;
constexpr HandleTable::Key kSignals = 2;
constexpr HandleTable::Key kWake = 3;
constexpr HandleTable::Key kTrace = 4;

constexpr std::size_t kMaxConnections = 128;
constexpr std::size_t kMaxHandlesPerClient = 4096;
constexpr std::size_t kEventsAtOnce = 64;
constexpr unsigned kWorkers = 2;
constexpr unsigned kWaiters = 8;
constexpr std::chrono::milliseconds kPauseWhenShort{10};

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, fmt::format("event loop: {}: {}", what, std::strerror(errno)));
}

spec::Pace pace_of(std::uint32_t operation) {
    const auto* row = spec::find_operation(operation);
    return row == nullptr ? spec::Pace::Quick : row->pace;
}

/// Whether descriptors that are no handles may go with the request.
bool takes_files(std::uint32_t operation) {
    return operation == static_cast<std::uint32_t>(spec::Operation::TreeHook);
}

Result<Answer> carry_out_guarded(Service& service, const Caller& caller, const protocol::AnyRequest& request,
                                 std::span<const ObjectRef> objects) {
    try {
        return service.handle(caller, request, objects);
    } catch (const std::bad_alloc&) {
        return fail(Status::OutOfMemory, "the request needs more memory than there is");
    }
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create(Service& service, Listener& listener, int signals,
                                                     int trace) {
    std::unique_ptr<EventLoop> loop(new EventLoop(service, listener, signals, trace));
    loop->epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
    loop->wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!loop->epoll_.is_open() || !loop->wake_.is_open()) return refused("set-up");
    EBPF_TRY_VOID(loop->watch(listener.socket(), kListener, EPOLLIN));
    EBPF_TRY_VOID(loop->watch(signals, kSignals, EPOLLIN));
    EBPF_TRY_VOID(loop->watch(loop->wake_.number(), kWake, EPOLLIN));
    EBPF_TRY_VOID(loop->watch(trace, kTrace, EPOLLIN));
    loop->workers_ = std::make_unique<WorkerPool>(kWorkers);
    loop->waiters_ = std::make_unique<WorkerPool>(kWaiters);
    return loop;
}

EventLoop::~EventLoop() {
    waiters_.reset();
    workers_.reset();
    connections_.clear();
    handles_.clear();
}

Result<void> EventLoop::watch(int descriptor, Key key, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    if (epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &event) != 0) return refused("watching");
    return {};
}

void EventLoop::set_interest(Key key, const Connection& connection) {
    epoll_event event{};
    event.data.u64 = key;
    if (!connection.is_busy && !connection.has_output()) event.events |= EPOLLIN;
    if (connection.has_output()) event.events |= EPOLLOUT;
    (void)epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, connection.socket(), &event);
}

Result<void> EventLoop::run() {
    std::array<epoll_event, kEventsAtOnce> events{};
    while (!is_ending_) {
        const int count = epoll_wait(epoll_.number(), events.data(), kEventsAtOnce, -1);
        if (count < 0 && errno != EINTR) return refused("waiting");
        for (int i = 0; i < count; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            handle_event(event.data.u64, event.events);
        }
    }
    return {};
}

void EventLoop::handle_event(Key key, std::uint32_t events) {
    switch (key) {
        case kListener:
            return accept_clients();
        case kSignals:
            is_ending_ = true;
            return;
        case kWake:
            collect_completions();
            return;
        case kTrace:
            show_trace();
            return;
        default:
            break;
    }
    const auto found = connections_.find(key);
    if (found == connections_.end()) {
        // Not a connection, so a handle whose last copy was closed.
        std::vector<ObjectRef> objects(1);
        objects[0] = handles_.remove(key);
        if (objects[0]) release_later(std::move(objects));
        return;
    }
    Connection& connection = found->second;
    if (connection.is_busy) {
        // Only a hang-up is reported now. The connection stays until the worker's answer, so that clients
        // that come and go count against the limit as long as their requests take memory.
        if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
            connection.is_gone = true;
            (void)epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, connection.socket(), nullptr);
        }
        return;
    }
    with_memory(key, [&] { serve(key, connection); });
}

template <typename Step>
void EventLoop::with_memory(Key key, const Step& step) {
    try {
        step();
    } catch (const std::bad_alloc&) {
        connections_.erase(key);
    }
}

void EventLoop::accept_clients() {
    while (true) {
        auto accepted = listener_.accept();
        if (!accepted) {
            // Out of descriptors or memory: the client still waits, so do not come back at once.
            if (accepted.error().status() != Status::NotFound) std::this_thread::sleep_for(kPauseWhenShort);
            return;
        }
        const Key key = next_key_++;
        if (!watch(accepted->socket.number(), key, EPOLLIN)) continue;
        with_memory(key, [&] { welcome(key, *std::move(accepted)); });
    }
}

void EventLoop::welcome(Key key, Accepted accepted) {
    auto& connection = connections_.try_emplace(key, std::move(accepted.socket), accepted.uid).first->second;
    if (!accepted.is_allowed) {
        refuse(key, connection, 0,
               Error(Status::NoPermission,
                     fmt::format("user {} may not use this context: only its owner and root may",
                                 accepted.uid)));
    } else if (connections_.size() > kMaxConnections) {
        refuse(key, connection, 0,
               Error(Status::LimitExceeded, fmt::format("there are {} clients already", kMaxConnections)));
    }
}

void EventLoop::serve(Key key, Connection& connection) {
    if (connection.has_output()) {
        const auto flushed = connection.flush();
        if (!flushed || (connection.ends_after_output && !connection.has_output())) {
            connections_.erase(key);
            return;
        }
        set_interest(key, connection);
        return;
    }
    auto incoming = connection.receive();
    if (!incoming && incoming.error().status() == Status::ConnectionLost) {
        connections_.erase(key);
    } else if (!incoming) {
        refuse(key, connection, 0, incoming.error());
    } else if (*incoming) {
        start(key, connection, **std::move(incoming));
    }
}

void EventLoop::start(Key key, Connection& connection, Incoming incoming) {
    const std::uint32_t operation = incoming.header.operation;
    auto request = protocol::decode_request(operation, incoming.payload);
    if (!request) return refuse(key, connection, operation, request.error());
    std::vector<ObjectRef> objects;
    Caller caller{connection.uid()};
    for (const auto& descriptor : incoming.descriptors) {
        auto object = handles_.find(descriptor);
        if (!object && !takes_files(operation))
            return reply(key, connection, operation, std::unexpected(std::move(object).error()));
        objects.push_back(object ? *std::move(object) : ObjectRef{});
        caller.files.push_back(descriptor.number());
    }
    const spec::Pace pace = pace_of(operation);
    if (pace == spec::Pace::Quick) {
        return reply(key, connection, operation, carry_out_guarded(service_, caller, *request, objects));
    }
    connection.is_busy = true;
    set_interest(key, connection);
    WorkerPool& pool = pace == spec::Pace::Waits ? *waiters_ : *workers_;
    auto files = std::make_shared<std::vector<platform::Descriptor>>(std::move(incoming.descriptors));
    pool.add([this, key, operation, caller, request = *std::move(request), objects = std::move(objects),
              files = std::move(files)]() mutable {
        auto answer = carry_out_guarded(service_, caller, request, objects);
        objects.clear();
        {
            const std::lock_guard lock(mutex_);
            completions_.push_back({key, operation, std::move(answer)});
        }
        (void)eventfd_write(wake_.number(), 1);
    });
}

void EventLoop::collect_completions() {
    eventfd_t count = 0;
    (void)eventfd_read(wake_.number(), &count);
    std::deque<Completion> done;
    {
        const std::lock_guard lock(mutex_);
        done.swap(completions_);
    }
    for (auto& completion : done) {
        const auto found = connections_.find(completion.connection);
        if (found->second.is_gone) {
            if (completion.answer) release_later(std::move(completion.answer->handles));
            connections_.erase(found);
            continue;
        }
        found->second.is_busy = false;
        with_memory(completion.connection, [&] {
            reply(completion.connection, found->second, completion.operation, std::move(completion.answer));
        });
    }
}

Result<std::vector<platform::Descriptor>> EventLoop::make_handles(Key owner, std::vector<ObjectRef> objects) {
    std::vector<platform::Descriptor> descriptors;
    if (handles_.count(owner) + objects.size() > kMaxHandlesPerClient) {
        release_later(std::move(objects));
        return fail(Status::LimitExceeded,
                    fmt::format("the client has {} handles already", kMaxHandlesPerClient));
    }
    for (auto& object : objects) {
        const Key key = next_key_++;
        auto descriptor = handles_.add(key, object, owner);
        auto watched = descriptor ? watch(handles_.watched(key), key, 0) : Result<void>{};
        if (!descriptor || !watched) {
            // Those made already hang up as their descriptors go; this one is not watched.
            (void)handles_.remove(key);
            release_later(std::move(objects));
            return std::unexpected(descriptor ? std::move(watched).error() : std::move(descriptor).error());
        }
        descriptors.push_back(*std::move(descriptor));
    }
    return descriptors;
}

void EventLoop::reply(Key key, Connection& connection, std::uint32_t operation, Result<Answer> answer) {
    std::vector<platform::Descriptor> descriptors;
    if (answer && !answer->handles.empty()) {
        auto made = make_handles(key, std::move(answer->handles));
        if (made) {
            descriptors = *std::move(made);
        } else {
            answer = std::unexpected(std::move(made).error());
        }
    }
    Result<protocol::AnyReply> message = std::unexpected(Error(Status::Internal, ""));
    if (answer) {
        message = std::move(answer->reply);
    } else {
        message = std::unexpected(std::move(answer).error());
    }
    auto frame = protocol::frame_of_reply(operation, message, static_cast<std::uint32_t>(descriptors.size()));
    if (!message) descriptors.clear();
    send(key, connection, std::move(frame), std::move(descriptors));
}

void EventLoop::refuse(Key key, Connection& connection, std::uint32_t operation, const Error& error) {
    connection.ends_after_output = true;
    send(key, connection, protocol::frame_of_reply(operation, std::unexpected(error), 0), {});
}

void EventLoop::send(Key key, Connection& connection, std::vector<std::byte> frame,
                     std::vector<platform::Descriptor> descriptors) {
    connection.queue(std::move(frame), std::move(descriptors));
    serve(key, connection);
}

void EventLoop::release_later(std::vector<ObjectRef> objects) {
    // The last reference to a link detaches it, which may block.
    if (!objects.empty()) workers_->add([objects = std::move(objects)]() mutable { objects.clear(); });
}

void EventLoop::show_trace() const {
    constexpr std::size_t kLine = 2048;
    std::array<char, kLine> line{};
    const ssize_t got = read(trace_, line.data(), line.size());
    if (got > 0)
        fmt::print(stderr, "trace: {}\n", std::string_view(line.data(), static_cast<std::size_t>(got)));
}

}  // namespace ebpf::service
