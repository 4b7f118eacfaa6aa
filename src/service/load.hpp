// SPDX-License-Identifier: MIT
// A program's way into the context: bind, verify, lower, compile, publish. Inside the service only.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "protocol/messages.hpp"
#include "runtime/context.hpp"
#include "service/call.hpp"

namespace ebpf::service {

/// A verification and, if it accepted, the program.
struct Loaded {
    verifier::Report report;
    runtime::Ref<runtime::ProgramObject> program;  ///< empty exactly if the report refuses
};

/// Takes a program all the way in. A refusal by the verifier is a result, not an error.
/// Errors: BadHandle, WrongKind - a map; NotSupported - an unknown program type or engine; NoPermission -
/// the engine or the image is not allowed here; those of load_native(); Internal - an accepted
/// program could
///   not be lowered or compiled, or the report does not belong to the request; OutOfMemory.
Result<Loaded> load_program(Call& call, const protocol::ProgramLoadRequest& message);

/// Verifies `request` and makes sure that the report answers exactly it. Errors: TooBig, Internal,
/// Environment.
Result<verifier::Report> verify_checked(VerifierRunner& runner, const verifier::Request& request);

}  // namespace ebpf::service
