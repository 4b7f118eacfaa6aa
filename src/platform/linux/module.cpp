// SPDX-License-Identifier: MIT
// Lets the dynamic linker load from sealed memory, by the name that its descriptor has in /proc.
#include "platform/module.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/try.hpp"
#include "platform/linux/descriptor.hpp"
#include "platform/linux/sealed_memory.hpp"

namespace ebpf::platform {

struct Module {
    // Open as long as the library is there: the linker takes equal names for one library.
    Descriptor memory;
    std::string name;
    void* handle = nullptr;
};

namespace {

std::unexpected<Error> refused(const std::string& name) {
    const char* text = dlerror();
    std::string reason = text == nullptr ? "no reason given" : text;
    if (reason.starts_with(name + ": ")) reason.erase(0, name.size() + 2);
    return fail(Status::Malformed, fmt::format("the dynamic linker refuses it: {}", reason));
}

}  // namespace

Result<Module*> load_module(std::span<const std::byte> bytes, const std::string& name) {
    auto module = std::make_unique<Module>();
    EBPF_TRY(module->memory, make_sealed_memory(name.c_str(), bytes));
    module->name = fmt::format("/proc/self/fd/{}", module->memory.number());
    module->handle = dlopen(module->name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module->handle == nullptr) return refused(module->name);
    return module.release();
}

void* module_symbol(const Module& module, const char* name) noexcept {
    return dlsym(module.handle, name);
}

void unload_module(Module* module) noexcept {
    if (module == nullptr) return;
    dlclose(module->handle);
    // Some libraries stay nevertheless, as those do that were linked with -z nodelete. Then their name is not
    // to be given to another one.
    if (void* stays = dlopen(module->name.c_str(), RTLD_NOW | RTLD_NOLOAD); stays != nullptr) {
        dlclose(stays);
        return;
    }
    delete module;
}

}  // namespace ebpf::platform
