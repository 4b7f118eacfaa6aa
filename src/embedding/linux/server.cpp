// SPDX-License-Identifier: MIT
#include "embedding/server.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"
#include "service/linux/event_loop.hpp"
#include "service/linux/listener.hpp"

namespace ebpf::embedding {
namespace {

using platform::Descriptor;

class SocketServer final : public Server {
  public:
    static Result<std::unique_ptr<Server>> create(service::Service& service, const std::string& path) {
        EBPF_TRY(auto listener, service::Listener::open(path));
        Descriptor ending(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        Descriptor trace(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!ending.is_open() || !trace.is_open())
            return fail(Status::Environment, std::string("eventfd: ") + std::strerror(errno));
        std::unique_ptr<SocketServer> server(
            new SocketServer(std::move(listener), std::move(ending), std::move(trace)));
        EBPF_TRY(server->loop_,
                 service::EventLoop::create(service, server->listener_, server->ending_.number(),
                                            server->trace_.number()));
        server->thread_ = std::thread([loop = server->loop_.get()] { static_cast<void>(loop->run()); });
        return std::unique_ptr<Server>(std::move(server));
    }

    SocketServer(const SocketServer&) = delete;
    SocketServer& operator=(const SocketServer&) = delete;
    ~SocketServer() override {
        const std::uint64_t one = 1;
        static_cast<void>(!write(ending_.number(), &one, sizeof(one)));
        if (thread_.joinable()) thread_.join();
    }

  private:
    SocketServer(service::Listener listener, Descriptor ending, Descriptor trace)
        : listener_(std::move(listener)), ending_(std::move(ending)), trace_(std::move(trace)) {}

    service::Listener listener_;
    Descriptor ending_;  // readable: the loop ends
    Descriptor trace_;   // never readable: trace lines go to the service
    std::unique_ptr<service::EventLoop> loop_;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Server>> serve(service::Service& service, const std::string& path) {
    return SocketServer::create(service, path);
}

}  // namespace ebpf::embedding
