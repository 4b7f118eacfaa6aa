// SPDX-License-Identifier: MIT
// VerifierRunner: where verification happens. In-process here; in a jailed process in service/linux.
#pragma once

#include "base/error.hpp"
#include "protocol/request_hash.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::service {

/// Runs verifications. Threads: any, for every member.
class VerifierRunner {
  public:
    VerifierRunner() = default;
    VerifierRunner(const VerifierRunner&) = delete;
    VerifierRunner& operator=(const VerifierRunner&) = delete;
    virtual ~VerifierRunner() = default;

    /// Verifies `request` and says which request the report answers. What goes wrong on the way (a crash, a
    /// time-out, garbage) is a report that refuses, of category "internal" or "limit". Errors: TooBig - the
    /// request cannot be encoded; Environment - the host does not let it run.
    virtual Result<protocol::BoundReport> run(const verifier::Request& request) = 0;
};

/// Calls verifier::verify() on the calling thread.
class InProcessVerifier final : public VerifierRunner {
  public:
    Result<protocol::BoundReport> run(const verifier::Request& request) override;
};

/// Makes a report that refuses for a reason outside the program: `category` is one of rules.def.
verifier::Report refusal(const char* category, const char* rule, std::string message);

}  // namespace ebpf::service
