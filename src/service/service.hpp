// SPDX-License-Identifier: MIT
// Service: carries out the requests of spec/operations.def on an execution context, the same for a caller in
// the process and for a client of the daemon. What a client may ask at all is the transport's business.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "protocol/messages.hpp"
#include "runtime/context.hpp"
#include "service/code_policy.hpp"
#include "service/extensions.hpp"
#include "service/notes.hpp"
#include "service/process_trees.hpp"
#include "service/program_types.hpp"
#include "service/verifier_runner.hpp"
#include "service/worker_pool.hpp"

namespace ebpf::service {

using ObjectRef = runtime::Ref<runtime::Object>;

/// Who asks.
struct Caller {
    std::uint32_t uid = 0;
    /// File descriptors that came with the request, by the numbers of its handle fields; open as long as it
    /// is carried out.
    std::vector<int> files{};
};

/// A reply with the handles that it refers to.
struct Answer {
    protocol::AnyReply reply;
    std::vector<ObjectRef> handles;
};

struct ServiceOptions {
    VerifierRunner* verifier = nullptr;  ///< not nullptr; must outlive the service
    runtime::ContextOptions context;
    CodePolicy code_policy{};
    spec::GroupSet groups = spec::kAllGroups;  ///< conformance groups that programs may need
    ProcessTrees* trees = nullptr;             ///< nullptr: none are taken; must outlive the service
};

/// An execution context and its dispatcher.
/// Threads: any, for every member but the destructor; requests of pace Slow may take long.
class Service {
  public:
    /// Errors: OutOfMemory, Environment.
    static Result<std::unique_ptr<Service>> create(const ServiceOptions& options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    /// Detaches every link and frees everything. Requires: no ObjectRef is left outside.
    ~Service();

    /// Carries out one request; `handles` are those that its handle fields count in. On failure nothing has
    /// changed. Errors: BadHandle, WrongKind - a handle field; those of the operation, with text.
    Result<Answer> handle(const Caller& caller, const protocol::AnyRequest& request,
                          std::span<const ObjectRef> handles);

    [[nodiscard]] runtime::Context& context() { return *context_; }
    [[nodiscard]] VerifierRunner& verifier() { return *verifier_; }
    [[nodiscard]] Notes& notes() { return notes_; }
    [[nodiscard]] ProgramTypes& program_types() { return program_types_; }
    [[nodiscard]] const CodePolicy& code_policy() const { return code_policy_; }
    [[nodiscard]] spec::GroupSet groups() const { return groups_; }
    [[nodiscard]] ProcessTrees* trees() const { return trees_; }
    [[nodiscard]] Extensions& extensions() { return *extensions_; }
    /// Loads the extension in a file, and returns its name. Errors: NoPermission - code integrity is
    /// enforced; those of Extensions::load().
    Result<std::string> load_extension(const std::string& path);
    /// Forgets notes of objects that are gone.
    void sweep_notes();
    /// One thread for work that nobody waits for, started when it is first asked for.
    WorkerPool& background();

  private:
    Service(runtime::Context& context, const ServiceOptions& options)
        : context_(&context),
          verifier_(options.verifier),
          code_policy_(options.code_policy),
          groups_(options.groups),
          trees_(options.trees) {
        extensions_.emplace(context, program_types_);
    }

    runtime::Context* context_;
    VerifierRunner* verifier_;
    CodePolicy code_policy_;
    spec::GroupSet groups_;
    ProcessTrees* trees_;
    Notes notes_;
    ProgramTypes program_types_;
    std::optional<Extensions> extensions_;  // end before the context
    std::once_flag has_background_;
    std::optional<WorkerPool> background_;
};

}  // namespace ebpf::service
