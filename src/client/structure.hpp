// SPDX-License-Identifier: MIT
// Whether a program was compiled against the structure that a hook has.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.hpp"
#include "verifier/registered_type.hpp"

namespace ebpf::client {

/// Compares the structure of the type's context in an object's BTF (which may be empty) with its description:
/// members of the same name must lie at the same place. A help, no protection: the verifier knows offsets
/// only, and a program that was compiled against an older header would read one field and mean another.
/// Errors: VersionMismatch - names structure and field; Malformed - the BTF.
Result<void> check_structure(std::span<const std::byte> types, const verifier::RegisteredTypeInfo& info);

}  // namespace ebpf::client
