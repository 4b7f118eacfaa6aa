// SPDX-License-Identifier: MIT
// LocalBackend: an execution context inside the calling process.
#pragma once

#include <memory>

#include "client/backend.hpp"
#include "service/service.hpp"

namespace ebpf::client {

/// Owns a service. Its context ends with it.
class LocalBackend final : public Backend {
  public:
    struct Options {
        /// Takes lines of trace_printk; see runtime::ContextOptions.
        void (*trace)(void* owner, const char* text, std::size_t bytes) noexcept = nullptr;
        void* trace_owner = nullptr;
        service::CodePolicy code_policy{};
        spec::GroupSet groups = spec::kAllGroups;  ///< conformance groups that programs may need
    };

    /// Errors: OutOfMemory, Environment.
    static Result<std::unique_ptr<LocalBackend>> create(const Options& options);

    Result<Answer> call(const protocol::AnyRequest& request, std::span<const Handle* const> handles) override;
    [[nodiscard]] bool is_lasting() const override { return false; }
    [[nodiscard]] service::Service& service() { return *service_; }

  private:
    LocalBackend() = default;

    service::InProcessVerifier verifier_;
    std::unique_ptr<service::Service> service_;
};

}  // namespace ebpf::client
