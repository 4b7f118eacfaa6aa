// SPDX-License-Identifier: MIT
#include "service/verifier_runner.hpp"

#include <utility>

#include "base/try.hpp"

namespace ebpf::service {

Result<protocol::BoundReport> InProcessVerifier::run(const verifier::Request& request) {
    protocol::BoundReport result;
    EBPF_TRY(result.request, protocol::request_hash(request));
    result.report = verifier::verify(request);
    return result;
}

verifier::Report refusal(const char* category, const char* rule, std::string message) {
    verifier::Report report;
    verifier::Failure failure;
    failure.category = category;
    failure.rule = rule;
    failure.message = std::move(message);
    report.failures.push_back(std::move(failure));
    return report;
}

}  // namespace ebpf::service
