// SPDX-License-Identifier: MIT
// Watches a run: is every access inside memory that the program was given, and every value inside the
// verifier's invariant?
#pragma once

#include <span>
#include <string>

#include "interp/run.hpp"
#include "isa/instruction.hpp"
#include "vectors/test_host.hpp"
#include "verifier/observe.hpp"

namespace ebpf::oracle {

/// Observer for interp::run_observed(). Stops the run at the first violation, before the access is made.
class Observer {
  public:
    static constexpr bool kWatches = true;

    /// `code`: what runs (lowered). `report`: with invariants, of the code as it was before lowering;
    /// nullptr: values are not compared.
    Observer(const isa::Code& code, const vectors::TestHost& host, const engine::Invocation& invocation,
             const verifier::Report* report);

    bool before(const interp::Observation& seen);

    /// What is wrong; empty if nothing is.
    [[nodiscard]] const std::string& violation() const { return violation_; }
    [[nodiscard]] bool is_out_of_steps() const { return steps_ >= kMostSteps; }
    [[nodiscard]] std::size_t steps() const { return steps_; }

  private:
    static constexpr std::size_t kMostSteps = 2'000'000;

    [[nodiscard]] bool may_read_key(std::uint32_t slot) const;
    void check_access(const interp::Observation& seen);
    void check_state(const interp::Observation& seen);

    const isa::Code& code_;
    const vectors::TestHost& host_;
    const engine::Invocation& invocation_;
    const verifier::Report* report_;
    std::vector<verifier::ConcreteMap> maps_;
    std::size_t steps_ = 0;
    std::string violation_;
};

/// Compiles `code` for observation, runs it on `host` and returns the first violation; empty if there is
/// none. `result` gets r0.
std::string observe(const isa::Code& code, vectors::TestHost& host, const verifier::Report* report,
                    std::uint64_t& result);

}  // namespace ebpf::oracle
