// SPDX-License-Identifier: MIT
// Steps `verify`, `lower` and `compile` for a program that comes with a native image. Inside the service
// only.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.hpp"
#include "engine/engine.hpp"
#include "service/call.hpp"
#include "service/compile.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::service {

struct NativeProgram {
    verifier::Report report;  ///< image is empty exactly if this refuses
    OwnedImage image;
};

/// Verifies `request` as every program is, and takes the code from `image` if the image was made from exactly
/// what was verified (native::identify()). An image's code is not checked further: until images are signed,
/// only the owner of the context may bring one, that is the user that the context runs as, or the superuser.
/// Errors: NoPermission - another user, or code integrity is enforced; Malformed, Truncated, VersionMismatch
/// - no image
///   of this host and version; Rejected - none of this program; those of verify_checked() and native::bind().
Result<NativeProgram> load_native(Call& call, const verifier::Request& request,
                                  std::span<const std::byte> image, const engine::Bindings& bindings);

}  // namespace ebpf::service
