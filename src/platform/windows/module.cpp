// SPDX-License-Identifier: MIT
#include "platform/module.hpp"

namespace ebpf::platform {

struct Module {};

Result<Module*> load_module(std::span<const std::byte>, const std::string& name) {
    return fail(Status::NotSupported, name + ": extensions cannot be loaded on Windows yet");
}

void* module_symbol(const Module&, const char*) noexcept {
    return nullptr;
}

void unload_module(Module*) noexcept {}

}  // namespace ebpf::platform
