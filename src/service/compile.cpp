// SPDX-License-Identifier: MIT
#include "service/compile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/try.hpp"
#include "engine/machine_code.hpp"
#include "interp/interp.hpp"
#include "jit/jit.hpp"
#include "lower/lower.hpp"
#include "platform/random.hpp"

namespace ebpf::service {
namespace {

Result<Compiled> interpret(const CompileInput& input) {
    interp::Refusal refusal;
    auto image = interp::compile(input.code, input.bindings,
                                 {.dispatch = interp::Dispatch::Best, .refusal = &refusal});
    if (!image) {
        return fail(image.error(), fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                               refusal.value, status_text(image.error())));
    }
    return Compiled{OwnedImage(*image), {}};
}

std::uint32_t machine_of(jit::Architecture architecture) {
    return architecture == jit::Architecture::Arm64 ? spec::kMachineArm64 : spec::kMachineX64;
}

/// Whether the interpreter may step in: nothing is wrong with the program, but the JIT cannot serve it here.
bool is_jit_missing(Status status) {
    constexpr std::array kMissing = {Status::NotSupported, Status::NoPermission, Status::LimitExceeded};
    return std::ranges::find(kMissing, status) != kMissing.end();
}

}  // namespace

bool starts_on_interpreter(const CompileInput& input) {
    const auto host = jit::host_architecture();
    // Not on Windows: under Wine, one run in four of the test stood still for good.
    return host && *host != jit::Architecture::X64Windows && input.engine == spec::Engine::Auto &&
           !input.policy.is_code_integrity_enforced && input.code.size() > kMostSlotsTranslatedAtOnce;
}

Result<Compiled> translate(const CompileInput& input) {
    EBPF_TRY(const jit::Architecture architecture, jit::host_architecture());
    const auto regions = lower::regions_of(input.accesses);
    jit::Options options;
    options.architecture = architecture;
    options.features = jit::detect_features();
    options.blind_constants = input.policy.blinds_constants;
    if (options.blind_constants &&
        !platform::fill_random(std::as_writable_bytes(std::span(&options.seed, 1)))) {
        return fail(Status::Environment, "no random bytes to blind constants with");
    }
    EBPF_TRY(const jit::Translation translation,
             jit::translate(input.code, input.bindings, regions, options));
    const auto image = engine::place(translation.machine_code(), input.bindings);
    if (!image) {
        return fail(image.error(), fmt::format("placing {} bytes of machine code: {}",
                                               translation.code.size(), status_text(image.error())));
    }
    Compiled compiled{OwnedImage(*image), {machine_of(architecture), {}}};
    for (const jit::SlotOffset& slot : translation.slots) {
        compiled.note.slots.push_back({slot.offset, slot.slot});
    }
    return compiled;
}

Result<Compiled> compile(const CompileInput& input) {
    switch (input.engine) {
        case spec::Engine::Auto: {
            if (input.policy.is_code_integrity_enforced) return interpret(input);
            auto compiled = translate(input);
            if (compiled || !is_jit_missing(compiled.error().status())) return compiled;
            return interpret(input);
        }
        case spec::Engine::Interpreter:
            return interpret(input);
        case spec::Engine::Jit: {
            if (input.policy.is_code_integrity_enforced) {
                return fail(Status::NoPermission,
                            "engine jit: code integrity is enforced in this context, so no machine code is "
                            "made; engine interpreter is allowed");
            }
            auto compiled = translate(input);
            if (!compiled) return std::unexpected(std::move(compiled).error().in("engine jit"));
            return compiled;
        }
        case spec::Engine::Native:
            return fail(Status::NotSupported,
                        "engine native: a program's bytecode alone makes no native image");
    }
    return fail(Status::NotSupported,
                fmt::format("engine {} is unknown", static_cast<std::uint32_t>(input.engine)));
}

spec::Engine engine_of(const engine::Image& image) {
    switch (image.kind) {
        case engine::EngineKind::Interpreter:
            return spec::Engine::Interpreter;
        case engine::EngineKind::Jit:
            return spec::Engine::Jit;
        case engine::EngineKind::Native:
            return spec::Engine::Native;
    }
    return spec::Engine::Auto;
}

}  // namespace ebpf::service
