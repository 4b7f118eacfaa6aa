// SPDX-License-Identifier: MIT
// What the handles of ebpf/embed.h are, and how its functions answer. Private to this folder.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "client/client.hpp"
#include "client/load_object.hpp"
#include "client/local_backend.hpp"
#include "ebpf/embed.h"
#include "ebpf/hook_provider.h"
#include "embedding/server.hpp"
#include "object/object_spec.hpp"
#include "runtime/context.hpp"
#include "service/service.hpp"

/// A hook. It is a provider like any other; its link is found by invocations through `link`, which is only
/// dereferenced inside a batch: a link is freed when no batch can see it.
struct ebpf_hook {
    ebpf_context* context = nullptr;
    ebpf::service::ProgramTypeRef type;
    std::uint64_t result = 0;                      // without a program
    const ebpf_hook_dispatch* dispatch = nullptr;  // one table for all links of the type
    std::atomic<void*> link{nullptr};              // nullptr: none
    ebpf_hook_provider provider{};
    std::mutex mutex;                                        // attaching and detaching by the service
    ebpf::runtime::Ref<ebpf::runtime::LinkObject> attached;  // guarded by mutex
};

struct ebpf_context {
    std::unique_ptr<ebpf::client::LocalBackend> backend;
    std::unique_ptr<ebpf::client::Client> client;  // guarded by mutex
    bool is_interpreting = false;
    std::mutex mutex;
    std::deque<ebpf_hook> hooks;                      // guarded by mutex; elements stay where they are
    std::unique_ptr<ebpf::embedding::Server> server;  // guarded by mutex
    void (*trace)(void* owner, const char* text, std::size_t bytes) = nullptr;
    void* trace_owner = nullptr;

    [[nodiscard]] ebpf::service::Service& service() const { return backend->service(); }
    [[nodiscard]] ebpf::runtime::Context& runtime() const { return backend->service().context(); }
};

struct ebpf_object {
    ebpf_context* context = nullptr;
    ebpf::object::ObjectSpec spec;
    ebpf::client::LoadedObject loaded;
};

struct ebpf_map {
    ebpf::runtime::Ref<ebpf::runtime::MapObject> map;
};

namespace ebpf::embedding {

/// Where a function writes why it failed.
class Reason {
  public:
    Reason(char* text, std::size_t bytes) : text_(text), bytes_(text == nullptr ? 0 : bytes) { write({}); }
    void write(std::string_view text) const;

  private:
    char* text_;
    std::size_t bytes_;
};

/// A status as functions return it.
inline int to_errno(Status status) {
    return -status_errno(status);
}

/// Carries out a function that can fail; nothing is thrown out of the library.
template <typename Function>
int answer(const Reason& reason, Function function) {
    try {
        const Result<void> done = function();
        if (done) return 0;
        reason.write(done.error().message());
        return to_errno(done.error().status());
    } catch (const std::bad_alloc&) {
        reason.write("out of memory");
        return to_errno(Status::OutOfMemory);
    } catch (const std::exception& error) {
        reason.write(error.what());
        return to_errno(Status::Internal);
    }
}

}  // namespace ebpf::embedding
