// SPDX-License-Identifier: MIT
// Extensions: program types and hooks that come to a context in shared libraries (ebpf/extension.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "ebpf/extension.h"
#include "platform/hash.hpp"
#include "protocol/messages.hpp"
#include "runtime/context.hpp"
#include "service/program_types.hpp"

namespace ebpf::service {

/// Checks what an extension says of itself, but for its program types, which ProgramTypes::add() reads.
/// Errors: VersionMismatch - names what, found and wanted; InvalidArgument - says what is wrong.
Result<void> check_extension(const ebpf_extension* extension);

/// The extensions of a context. Invariants: a library stays in memory as long as its hooks are registered or
/// anyone holds one of its types. Threads: any; loading and unloading wait for each other.
class Extensions {
  public:
    Extensions(runtime::Context& context, ProgramTypes& types);
    Extensions(const Extensions&) = delete;
    Extensions& operator=(const Extensions&) = delete;
    /// Unloads all. Requires: no other call into the context.
    ~Extensions();

    /// Loads the extension in the file at `path` and returns its name. Nothing of it stays on failure.
    /// Errors: those of platform::read_trusted_file(), native::check_library() and platform::load_module();
    /// NotFound - there is no ebpf_extension_entry(); those of add(). The text names the file.
    Result<std::string> load(const std::string& path);
    /// Registers what `extension` describes, of a library that is in memory as long as `library` is held.
    /// `path` is what details() tell.
    /// Errors: those of check_extension() and ProgramTypes::add(); AlreadyExists - an extension or a hook has
    /// the name; LimitExceeded; OutOfMemory.
    Result<std::string> add(const ebpf_extension* extension, const std::string& path,
                            std::shared_ptr<void> library);
    /// Takes an extension's hooks away, so that their links wait, and its types. The library goes at once, or
    /// with the last program that may call its helpers.
    /// Errors: NotFound; Busy - a hook still attaches or detaches: some of its hooks may have gone already,
    /// call again.
    Result<void> unload(std::string_view name);
    /// Errors: none; as long as another thread loads or unloads, it waits.
    std::vector<protocol::ExtensionDetails> details();

  private:
    struct Hook;
    struct Extension;

    Result<std::shared_ptr<void>> library_of(const std::vector<std::byte>& bytes, const std::string& path);
    Result<void> register_types(Extension& made, const ebpf_extension& extension,
                                const std::shared_ptr<void>& library);
    Result<void> register_hooks(Extension& made, const ebpf_extension& extension);
    std::uint32_t number_of(const std::string& hook);
    /// Undoes what was registered. Errors: Busy.
    Result<void> withdraw(Extension& extension);

    runtime::Context* context_;
    ProgramTypes* types_;
    std::mutex mutex_;  // guards all below
    std::vector<std::unique_ptr<Extension>> extensions_;
    std::map<std::string, std::uint32_t> attach_types_;  // of every hook that there ever was
    std::map<platform::Sha256, std::weak_ptr<void>> libraries_;
};

}  // namespace ebpf::service
