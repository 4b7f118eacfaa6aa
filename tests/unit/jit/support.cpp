// SPDX-License-Identifier: MIT
#include "support.hpp"

#include "engine/machine_code.hpp"
#include "ir/build.hpp"
#include "ir/optimise.hpp"
#include "jit/x64/convention.hpp"
#include "jit/x64/x64.hpp"

namespace ebpf::jit::test {

Options host_options() {
    Options options;
    options.architecture = *host_architecture();
    options.features = detect_features();
    options.seed = 1;
    return options;
}

namespace {

Result<Translation> translate_with(const ir::test::Program& program, const engine::Bindings& bindings,
                                   const Options& options, RegisterSet registers) {
    if (registers.is_empty()) return translate(program.code, bindings, program.regions, options);
    auto module = ir::build({program.code, bindings, program.regions});
    if (!module) return std::unexpected(ir::to_error(module.error()));
    ir::optimise(*module, bindings);
    x64::Convention convention = x64::convention(options.architecture);
    std::erase_if(convention.file.allocatable, [&](Register r) { return !registers.has(r); });
    return x64::generate(*module, options, convention);
}

}  // namespace

ir::test::Effects run(const ir::test::Program& program, const Options& options, RegisterSet registers) {
    ir::test::Host host(program);
    const auto translation = translate_with(program, host.bindings(), options, registers);
    if (!translation) return {.error = std::string(status_name(translation.error().status()))};
    const auto image = engine::place(translation->machine_code(), host.bindings());
    if (!image) return {.error = std::string(status_name(image.error()))};
    auto effects =
        host.effects_of([&](engine::Invocation& invocation) { return engine::run(**image, invocation); });
    (*image)->destroy(*image);
    return effects;
}

}  // namespace ebpf::jit::test
