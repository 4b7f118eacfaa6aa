// SPDX-License-Identifier: MIT
// The dispatcher: a request to its handler.
#include "service/service.hpp"

#include <variant>

#include "platform/user.hpp"
#include "service/call.hpp"

namespace ebpf::service {
namespace {

struct Dispatch {
    Call& call;

    Result<protocol::AnyReply> operator()(const std::monostate&) const {
        return fail(Status::InvalidArgument, "no request");
    }
    template <typename Request>
    Result<protocol::AnyReply> operator()(const Request& request) const {
        EBPF_TRY(auto reply, carry_out(call, request));
        return protocol::AnyReply(std::move(reply));
    }
};

}  // namespace

const char* kind_name(runtime::ObjectKind kind) {
    switch (kind) {
        case runtime::ObjectKind::Map:
            return "map";
        case runtime::ObjectKind::Program:
            return "program";
        case runtime::ObjectKind::Link:
            return "link";
    }
    return "object";
}

Result<ObjectRef> Call::object(const char* field, protocol::HandleIndex index) const {
    if (index >= handles.size() || !handles[index]) {
        return fail(Status::BadHandle,
                    fmt::format("handle '{}' is number {} of {}", field, index, handles.size()));
    }
    return handles[index];
}

Result<void> check_owner(const Call& call, std::string_view what) {
    const std::uint32_t owner = platform::user_id();
    if (call.caller.uid == owner || call.caller.uid == 0) return {};
    return fail(Status::NoPermission,
                fmt::format("user {} may not {} a context of user {}", call.caller.uid, what, owner));
}

Result<std::unique_ptr<Service>> Service::create(const ServiceOptions& options) {
    auto context = runtime::Context::create(options.context);
    if (!context) return fail_with(context.error(), "cannot create an execution context");
    return std::unique_ptr<Service>(new Service(**context, options));
}

Service::~Service() {
    background_.reset();  // its jobs hold references
    extensions_.reset();
    runtime::Context::destroy(context_);
}

Result<std::string> Service::load_extension(const std::string& path) {
    if (code_policy_.is_code_integrity_enforced) {
        return fail(
            Status::NoPermission,
            fmt::format("{}: code integrity is enforced in this context, and extensions are not signed",
                        path));
    }
    return extensions_->load(path);
}

WorkerPool& Service::background() {
    std::call_once(has_background_, [this] { background_.emplace(1); });
    return *background_;
}

void Service::sweep_notes() {
    notes_.sweep([this](std::uint32_t id) { return context_->find_program(id).has_value(); },
                 [this](std::uint32_t id) { return context_->find_map(id).has_value(); });
}

Result<Answer> Service::handle(const Caller& caller, const protocol::AnyRequest& request,
                               std::span<const ObjectRef> handles) {
    Call call{*this, caller, handles, {}};
    EBPF_TRY(auto reply, std::visit(Dispatch{call}, request));
    return Answer{std::move(reply), std::move(call.out)};
}

}  // namespace ebpf::service
