// SPDX-License-Identifier: MIT
#include "client/local_backend.hpp"

#include "base/try.hpp"
#include "platform/user.hpp"

namespace ebpf::client {
namespace {

class LocalHandle final : public HandleState {
  public:
    explicit LocalHandle(service::ObjectRef object) : object_(std::move(object)) {}
    [[nodiscard]] const service::ObjectRef& object() const { return object_; }

  private:
    service::ObjectRef object_;
};

}  // namespace

Result<std::unique_ptr<LocalBackend>> LocalBackend::create(const Options& options) {
    std::unique_ptr<LocalBackend> backend(new LocalBackend);
    service::ServiceOptions service_options;
    service_options.verifier = &backend->verifier_;
    service_options.groups = options.groups;
    service_options.context.trace = options.trace;
    service_options.context.trace_owner = options.trace_owner;
    service_options.code_policy = options.code_policy;
    EBPF_TRY(backend->service_, service::Service::create(service_options));
    return backend;
}

Result<Answer> LocalBackend::call(const protocol::AnyRequest& request,
                                  std::span<const Handle* const> handles) {
    std::vector<service::ObjectRef> objects;
    for (const Handle* handle : handles) {
        const auto* local = dynamic_cast<const LocalHandle*>(handle->state());
        if (local == nullptr) return fail(Status::BadHandle, "the handle belongs to another context");
        objects.push_back(local->object());
    }
    EBPF_TRY(auto answer, service_->handle({platform::user_id()}, request, objects));
    Answer result;
    result.reply = std::move(answer.reply);
    for (auto& object : answer.handles) {
        result.handles.emplace_back(std::make_unique<LocalHandle>(std::move(object)));
    }
    return result;
}

}  // namespace ebpf::client
