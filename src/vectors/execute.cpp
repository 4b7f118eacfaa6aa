// SPDX-License-Identifier: MIT
#include "vectors/execute.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/try.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "lower/lower.hpp"
#include "vectors/test_host.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::vectors {
namespace {

verifier::Report verify(const Execution& execution) {
    Vector vector;
    vector.file = "program";
    vector.type = execution.type;
    vector.memory.assign(execution.memory.begin(), execution.memory.end());
    return verifier::verify(make_request(vector, execution.bytecode));
}

}  // namespace

Result<Executed> execute(const Execution& execution) {
    if (execution.engine->compile == nullptr) {
        return fail(Status::NotSupported, fmt::format("engine {} is not in this build: it lacks {}",
                                                      execution.engine->name, execution.engine->missing));
    }
    auto code = isa::decode(execution.bytecode, spec::kAllGroups);
    if (!code) return std::unexpected(isa::to_error(code.error()));
    verifier::Report report = verify(execution);
    Executed executed;
    executed.is_accepted = report.verdict == verifier::Verdict::Accept;
    if (executed.is_accepted) {
        EBPF_TRY_VOID(lower::lower(*code, execution.type, report));
    } else if (execution.allows_refused) {
        report.accesses.assign(code->size(), verifier::AccessKind::None);
    } else {
        return fail(Status::NoPermission, "refused by the verifier: " + first_failure(report));
    }
    EBPF_TRY(const auto host, TestHost::create(execution.type, execution.memory, {}));
    const EngineProgram program{&*code, execution.bytecode, report.accesses, execution.type,
                                host->bindings()};
    const std::vector<Compiled> images = execution.engine->compile(std::span(&program, 1));
    if (!images[0]) return fail(images[0].error().status, images[0].error().text);
    engine::Invocation invocation = host->start();
    executed.result = host->run(**images[0], invocation);
    executed.memory.assign(host->memory().begin(), host->memory().end());
    return executed;
}

}  // namespace ebpf::vectors
