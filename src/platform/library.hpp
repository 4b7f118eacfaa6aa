// SPDX-License-Identifier: MIT
// Shared libraries from memory. Host part: not in the kernel set. Implemented in platform/<os>.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.hpp"

namespace ebpf::platform {

enum class LibraryFormat { Elf, Pe };

/// What this host's libraries are.
LibraryFormat library_format() noexcept;

/// A loaded library.
struct Library;

/// Loads a copy of `bytes` that nobody can change in between: what was loaded are these bytes. Each call
/// makes a library of its own. Requires: the bytes are a whole library of the host's format (the loader of
/// Windows trusts what headers say). Errors: Malformed - the host's loader refuses it; NotSupported - on
/// Linux, it has constructors, thread-local variables, or needs another library; Environment; OutOfMemory.
/// Threads: any.
Result<Library*> load_library(std::span<const std::byte> bytes);

/// Returns the address of the exported `name`, or nullptr. Threads: any.
void* library_symbol(const Library& library, const char* name) noexcept;

/// Unloads; nothing of the library may be in use. nullptr is allowed. Threads: any.
void unload_library(Library* library) noexcept;

}  // namespace ebpf::platform
