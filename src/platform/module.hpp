// SPDX-License-Identifier: MIT
// Libraries that the host's own loader loads, with all that they need: extensions. Host part: not in the
// kernel set. Implemented in platform/<os>.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.hpp"

namespace ebpf::platform {

/// A loaded library.
struct Module;

/// Loads a copy of `bytes` that nobody can change in between, so that what is loaded are these bytes whatever
/// becomes of the file; each call loads a library of its own. What it needs is loaded with it, and its
/// constructors run. `name` is what debuggers show.
/// Requires: the bytes are a whole library of the host's format, which is trusted. Errors: Malformed - the
/// host's loader refuses it, with its text; NotSupported - on Windows; Environment. Threads: any.
Result<Module*> load_module(std::span<const std::byte> bytes, const std::string& name);

/// Returns the address of the exported `name`, or nullptr. Threads: any.
void* module_symbol(const Module& module, const char* name) noexcept;

/// Unloads, with destructors; nothing of the library may be in use. nullptr is allowed. Threads: any.
void unload_module(Module* module) noexcept;

}  // namespace ebpf::platform
