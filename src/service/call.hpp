// SPDX-License-Identifier: MIT
// Call: one request under way, as the handlers see it. Inside the service only.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/try.hpp"
#include "protocol/messages.hpp"
#include "runtime/context.hpp"
#include "service/service.hpp"

namespace ebpf::service {

/// A status of the runtime with what it was about.
inline std::unexpected<Error> fail_with(Status status, std::string_view about) {
    return fail(status, fmt::format("{}: {}", about, status_text(status)));
}

const char* kind_name(runtime::ObjectKind kind);

/// Requires: handlers check everything before they change anything.
struct Call {
    Service& service;
    const Caller& caller;
    std::span<const ObjectRef> handles;  ///< of the request
    std::vector<ObjectRef> out;          ///< of the reply

    [[nodiscard]] runtime::Context& context() const { return service.context(); }

    /// Returns the object that handle field `field` names. Errors: BadHandle.
    Result<ObjectRef> object(const char* field, protocol::HandleIndex index) const;

    /// Returns it as a T. Errors: BadHandle, WrongKind.
    template <typename T>
    Result<runtime::Ref<T>> object_as(const char* field, protocol::HandleIndex index) const {
        EBPF_TRY(const ObjectRef found, object(field, index));
        auto narrowed = runtime::ref_cast<T>(found);
        if (!narrowed) {
            return fail(Status::WrongKind, fmt::format("handle '{}' is a {}, a {} is needed", field,
                                                       kind_name(found->kind()), kind_name(T::kKind)));
        }
        return *std::move(narrowed);
    }

    /// Adds a handle to the reply and returns its index.
    protocol::HandleIndex give(ObjectRef object) {
        out.push_back(std::move(object));
        return static_cast<protocol::HandleIndex>(out.size() - 1);
    }
};

/// Checks that the caller is the context's own user or root.
/// Errors: NoPermission - says that it may not `what` ("load images into") the context.
Result<void> check_owner(const Call& call, std::string_view what);

/// Attaches `program` at the attach point of `request`, whose version and size are filled in here.
/// Errors: those of runtime::Context::create_link(); the text names the program and gives the hook's reason.
Result<runtime::Ref<runtime::LinkObject>> attach(runtime::Context& context,
                                                 const runtime::Ref<runtime::ProgramObject>& program,
                                                 ebpf_attach_request request,
                                                 const runtime::ChainPlace& place = {});

// The handlers, by overload; each in the file of its kind of object.
#define EBPF_OPERATION(name, number, pace, text, request, reply) \
    Result<protocol::name##Reply> carry_out(Call& call, const protocol::name##Request& message);
#include "spec/operations.def"
#undef EBPF_OPERATION

}  // namespace ebpf::service
