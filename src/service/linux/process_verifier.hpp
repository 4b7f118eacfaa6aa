// SPDX-License-Identifier: MIT
// ProcessVerifier: every verification in a jailed process of its own.
#pragma once

#include <cstdint>
#include <string>

#include "platform/linux/descriptor.hpp"
#include "service/verifier_runner.hpp"

namespace ebpf::service {

/// Starts the program `ebpf-verifier` for each request: the request in sealed memory, the report out of
/// memory that is sealed before it is read. Whatever the process does, the outcome is a report for exactly
/// this request or a refusal. Threads: any.
class ProcessVerifier final : public VerifierRunner {
  public:
    struct Options {
        std::string path;                        ///< of the program
        std::uint64_t grace_ns = 2'000'000'000;  ///< time beyond the request's limit until it is killed
    };

    explicit ProcessVerifier(Options options);

    /// Errors: TooBig; Environment - the process cannot be started.
    Result<protocol::BoundReport> run(const verifier::Request& request) override;

    /// Kills running verifications and refuses further ones, as the daemon ends.
    void cancel();

  private:
    Options options_;
    platform::Descriptor cancelled_;  // eventfd: readable once cancel() was called
};

}  // namespace ebpf::service
