// SPDX-License-Identifier: MIT
// What ties a native image to a verdict: the hash that bpf2c writes down and the context computes for itself.
#pragma once

#include <functional>

#include "base/error.hpp"
#include "isa/instruction.hpp"
#include "platform/hash.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::native {

using Verify = std::function<Result<verifier::Report>(const verifier::Request& request)>;

/// A verification and the request that its verdict holds for.
struct Verified {
    verifier::Request request;
    verifier::Report report;
};

/// Verifies `request` for a native image. An image should serve every configuration of its object, so that
/// contents of frozen maps are taken as unknown; if the program is not accepted without them, they become
/// part of the request, and the image serves those contents only. A refusal is that of the full request.
/// Errors: those of `verify`.
Result<Verified> verify_for_image(const verifier::Request& request, const Verify& verify);

/// What an image is made from.
struct Identity {
    isa::Code code;         ///< decoded and lowered
    platform::Sha256 hash;  ///< of all that the code depends on
};

/// Requires: `report` accepts `request`.
/// The hash covers the request as protocol/ encodes it (bytecode, program type, attach type, licence gate,
/// map shapes, contents if they count, and the tables of helpers, contexts, map types and instructions)
/// without names, lines and limits, on which no code depends, and the lowered code, in which the host's own
/// structures show. Errors: those of decode and lower (which a verified program does not have).
Result<Identity> identify(const verifier::Request& request, const verifier::Report& report);

}  // namespace ebpf::native
