// SPDX-License-Identifier: MIT
#include "service/extensions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <thread>
#include <utility>

#include "base/try.hpp"
#include "native/library_format.hpp"
#include "platform/file.hpp"
#include "platform/module.hpp"
#include "runtime/provider.hpp"
#include "service/call.hpp"
#include "spec/catalogue.hpp"

namespace ebpf::service {

static_assert(EBPF_FIRST_EXTENSION_NUMBER == spec::kFirstRegisteredType);
static_assert(EBPF_EXTENSION_MAX_PARTS == spec::kMaxExtensionParts);

/// A hook with the provider's table as this context numbers it.
struct Extensions::Hook {
    std::string name;
    std::string type_name;
    ebpf_hook_provider provider{};
    bool is_registered = false;
};

struct Extensions::Extension {
    std::string name;
    std::string path;
    std::shared_ptr<void> code;  // the library
    std::vector<ProgramTypeRef> types;
    std::vector<std::unique_ptr<Hook>> hooks;  // which stay where they are
};

namespace {

constexpr std::size_t kMostLibraryBytes = std::size_t{256} << 20U;
constexpr const char* kEntry = "ebpf_extension_entry";
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kPause{1};

std::unexpected<Error> invalid(std::string text) {
    return fail(Status::InvalidArgument, std::move(text));
}

Result<void> check_name(const char* kind, const char* name) {
    if (name == nullptr) return invalid(fmt::format("{} has no name", kind));
    if (!is_name(name)) return invalid(fmt::format("{}: '{}' cannot be its name", kind, name));
    return {};
}

bool has_type(const ebpf_extension& extension, std::string_view name) {
    return std::ranges::any_of(std::span(extension.types, extension.type_count),
                               [&](const ebpf_program_type* type) {
                                   return type->name != nullptr && std::string_view(type->name) == name;
                               });
}

Result<void> check_hook(const ebpf_extension& extension, const ebpf_extension_hook& hook) {
    if (hook.provider == nullptr) return invalid("a hook has no provider");
    const ebpf_hook_provider& provider = *hook.provider;
    if (provider.version != EBPF_HOOK_ABI_VERSION || provider.size != sizeof(provider)) {
        return fail(Status::VersionMismatch,
                    fmt::format("hook provider ABI: version {} with {} bytes, expected is version {} with {}",
                                provider.version, provider.size, EBPF_HOOK_ABI_VERSION, sizeof(provider)));
    }
    EBPF_TRY_VOID(check_name("a hook", provider.name));
    const auto refuse = [&](std::string_view text) {
        return invalid(fmt::format("hook '{}': {}", provider.name, text));
    };
    if (hook.program_type == nullptr) return refuse("it names no program type");
    if (!has_type(extension, hook.program_type))
        return refuse(fmt::format("the extension has no program type '{}'", hook.program_type));
    if (provider.program_type != 0 || provider.attach_type != 0)
        return refuse("program type and attach type are numbered by the context: they must be 0");
    if (provider.attach == nullptr || provider.detach == nullptr)
        return refuse("attach or detach is missing");
    if (runtime::validate_provider(&provider) != Status::Ok)
        return refuse(fmt::format("combine is {}, and max_programs {} of at most {}", provider.combine,
                                  provider.max_programs, EBPF_HOOK_MAX_PROGRAMS));
    return {};
}

/// What ebpf_extension_entry() of a library says.
Result<const ebpf_extension*> entry_of(const platform::Module& module) {
    void* const symbol = platform::module_symbol(module, kEntry);
    if (symbol == nullptr)
        return fail(Status::NotFound, fmt::format("it is no extension: it exports no {}()", kEntry));
    const auto entry = reinterpret_cast<decltype(&ebpf_extension_entry)>(symbol);
    return entry();
}

protocol::TypeDetails describe(const ProgramType& type) {
    protocol::TypeDetails details;
    details.type = static_cast<std::uint32_t>(type.number);
    details.section = type.section.substr(0, type.section.size() - 1);
    details.info = type.info;
    return details;
}

std::string file_name(const std::string& path) {
    return path.substr(path.find_last_of("/\\") + 1);
}

}  // namespace

Result<void> check_extension(const ebpf_extension* extension) {
    if (extension == nullptr)
        return fail(Status::NotSupported, fmt::format("{}() says that it cannot work here", kEntry));
    if (extension->version != EBPF_EXTENSION_ABI_VERSION || extension->size != sizeof(*extension)) {
        return fail(
            Status::VersionMismatch,
            fmt::format("extension ABI: version {} with {} bytes, expected is version {} with {}",
                        extension->version, extension->size, EBPF_EXTENSION_ABI_VERSION, sizeof(*extension)));
    }
    if (extension->hook_size != sizeof(ebpf_extension_hook)) {
        return fail(Status::VersionMismatch, fmt::format("extension ABI: hooks of {} bytes, expected are {}",
                                                         extension->hook_size, sizeof(ebpf_extension_hook)));
    }
    EBPF_TRY_VOID(check_name("the extension", extension->name));
    if (extension->reserved != 0) return invalid("`reserved` is set");
    if (extension->type_count == 0) return invalid("it has no program types");
    if (extension->type_count > EBPF_EXTENSION_MAX_PARTS ||
        extension->hook_count > EBPF_EXTENSION_MAX_PARTS) {
        return fail(Status::TooBig,
                    fmt::format("{} program types and {} hooks, at most {} are possible",
                                extension->type_count, extension->hook_count, EBPF_EXTENSION_MAX_PARTS));
    }
    if (extension->types == nullptr || (extension->hooks == nullptr && extension->hook_count != 0))
        return invalid("types or hooks are counted and missing");
    for (const ebpf_program_type* type : std::span(extension->types, extension->type_count)) {
        if (type == nullptr) return invalid("a program type is missing");
        // Before its name is read.
        if (auto read = read_program_type(*type); !read) return std::unexpected(std::move(read).error());
    }
    for (const ebpf_extension_hook& hook : std::span(extension->hooks, extension->hook_count))
        EBPF_TRY_VOID(check_hook(*extension, hook));
    return {};
}

Extensions::Extensions(runtime::Context& context, ProgramTypes& types) : context_(&context), types_(&types) {}

Extensions::~Extensions() {
    for (const auto& extension : extensions_) static_cast<void>(withdraw(*extension));
}

Result<std::shared_ptr<void>> Extensions::library_of(const std::vector<std::byte>& bytes,
                                                     const std::string& path) {
    std::erase_if(libraries_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<void>& known = libraries_[platform::sha256(bytes)];
    if (auto library = known.lock()) return library;
    EBPF_TRY_VOID(native::check_library(bytes));
    EBPF_TRY(auto* const module, platform::load_module(bytes, file_name(path)));
    std::shared_ptr<void> library(
        module, [](void* gone) { platform::unload_module(static_cast<platform::Module*>(gone)); });
    known = library;
    return library;
}

Result<std::string> Extensions::load(const std::string& path) {
    EBPF_TRY(const auto bytes, platform::read_trusted_file(path, kMostLibraryBytes));
    const auto load_library = [&]() -> Result<std::string> {
        std::shared_ptr<void> library;
        {
            const std::lock_guard guard(mutex_);
            EBPF_TRY(library, library_of(bytes, path));
        }
        EBPF_TRY(const auto* const extension, entry_of(*static_cast<platform::Module*>(library.get())));
        return add(extension, path, std::move(library));
    };
    auto name = load_library();
    if (name) return name;
    // What is wrong with the file is not the caller's argument.
    const Status status =
        name.error().status() == Status::InvalidArgument ? Status::Malformed : name.error().status();
    return fail(status, fmt::format("{}: {}", path, name.error().message()));
}

Result<std::string> Extensions::add(const ebpf_extension* extension, const std::string& path,
                                    std::shared_ptr<void> library) {
    EBPF_TRY_VOID(check_extension(extension));
    const std::lock_guard guard(mutex_);
    if (extensions_.size() == spec::kMaxExtensions)
        return fail(Status::LimitExceeded,
                    fmt::format("there are {} extensions already", extensions_.size()));
    auto made = std::make_unique<Extension>();
    made->name = extension->name;
    made->path = path;
    if (std::ranges::any_of(extensions_, [&](const auto& other) { return other->name == made->name; }))
        return fail(Status::AlreadyExists, fmt::format("extension '{}' is loaded already", made->name));
    extensions_.reserve(extensions_.size() + 1);
    auto registered = register_types(*made, *extension, library);
    made->code = std::move(library);
    if (registered) registered = register_hooks(*made, *extension);
    if (!registered) {
        // A hook that is in use already cannot go; it is there until unload().
        if (!withdraw(*made)) extensions_.push_back(std::move(made));
        return std::unexpected(std::move(registered).error());
    }
    std::string name = made->name;
    extensions_.push_back(std::move(made));
    return name;
}

Result<void> Extensions::register_types(Extension& made, const ebpf_extension& extension,
                                        const std::shared_ptr<void>& library) {
    made.types.reserve(extension.type_count);
    for (const ebpf_program_type* type : std::span(extension.types, extension.type_count)) {
        EBPF_TRY(auto added, types_->add(*type, *context_, library));
        made.types.push_back(std::move(added));
    }
    return {};
}

std::uint32_t Extensions::number_of(const std::string& hook) {
    const auto next = EBPF_FIRST_EXTENSION_NUMBER + static_cast<std::uint32_t>(attach_types_.size());
    return attach_types_.try_emplace(hook, next).first->second;
}

Result<void> Extensions::register_hooks(Extension& made, const ebpf_extension& extension) {
    for (const ebpf_extension_hook& described : std::span(extension.hooks, extension.hook_count)) {
        Hook& hook = *made.hooks.emplace_back(std::make_unique<Hook>());
        hook.name = described.provider->name;
        hook.type_name = described.program_type;
        if (context_->find_hook(hook.name.c_str()))
            return fail(Status::AlreadyExists, fmt::format("hook '{}' exists already", hook.name));
        const auto type = std::ranges::find(made.types, hook.type_name,
                                            [](const ProgramTypeRef& one) { return one->info.name; });
        hook.provider = *described.provider;
        hook.provider.name = hook.name.c_str();
        hook.provider.program_type = static_cast<std::uint32_t>((*type)->number);
        hook.provider.attach_type = number_of(hook.name);
        const Status status = context_->register_provider(&hook.provider);
        if (status != Status::Ok) return fail_with(status, fmt::format("hook '{}'", hook.name));
        hook.is_registered = true;
    }
    return {};
}

Result<void> Extensions::withdraw(Extension& extension) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (const auto& hook : extension.hooks) {
        while (hook->is_registered) {
            const Status status = context_->unregister_provider(&hook->provider);
            hook->is_registered = status == Status::Busy;
            if (!hook->is_registered) break;
            if (std::chrono::steady_clock::now() > end)
                return fail(Status::Busy,
                            fmt::format("extension '{}': hook '{}' still attaches or detaches programs",
                                        extension.name, hook->name));
            std::this_thread::sleep_for(kPause);
        }
    }
    for (const auto& type : extension.types) types_->remove(*type);
    return {};
}

Result<void> Extensions::unload(std::string_view name) {
    std::unique_ptr<Extension> gone;  // and with it the library, outside the lock
    const std::lock_guard guard(mutex_);
    const auto found =
        std::ranges::find(extensions_, name, [](const auto& one) { return std::string_view(one->name); });
    if (found == extensions_.end())
        return fail(Status::NotFound, fmt::format("no extension '{}' is loaded", name));
    EBPF_TRY_VOID(withdraw(**found));
    gone = std::move(*found);
    extensions_.erase(found);
    return {};
}

std::vector<protocol::ExtensionDetails> Extensions::details() {
    const std::lock_guard guard(mutex_);
    std::vector<protocol::ExtensionDetails> all;
    for (const auto& extension : extensions_) {
        protocol::ExtensionDetails& details = all.emplace_back();
        details.name = extension->name;
        details.path = extension->path;
        for (const auto& type : extension->types) details.types.push_back(describe(*type));
        for (const auto& hook : extension->hooks) {
            details.hooks.push_back({.attach_type = hook->provider.attach_type,
                                     .combine = hook->provider.combine,
                                     .max_programs = std::max(hook->provider.max_programs, 1U),
                                     .name = hook->name,
                                     .type_name = hook->type_name});
        }
    }
    return all;
}

Result<protocol::ExtensionLoadReply> carry_out(Call& call, const protocol::ExtensionLoadRequest& message) {
    EBPF_TRY_VOID(check_owner(call, "load extensions into"));
    protocol::ExtensionLoadReply reply;
    EBPF_TRY(reply.name, call.service.load_extension(message.path));
    return reply;
}

Result<protocol::ExtensionUnloadReply> carry_out(Call& call,
                                                 const protocol::ExtensionUnloadRequest& message) {
    EBPF_TRY_VOID(check_owner(call, "unload extensions from"));
    EBPF_TRY_VOID(call.service.extensions().unload(message.name));
    return protocol::ExtensionUnloadReply{};
}

Result<protocol::ExtensionListReply> carry_out(Call& call, const protocol::ExtensionListRequest&) {
    protocol::ExtensionListReply reply;
    reply.extensions = call.service.extensions().details();
    return reply;
}

Result<protocol::TypeListReply> carry_out(Call& call, const protocol::TypeListRequest&) {
    protocol::TypeListReply reply;
    for (const auto& type : call.service.program_types().all()) reply.types.push_back(describe(*type));
    return reply;
}

}  // namespace ebpf::service
