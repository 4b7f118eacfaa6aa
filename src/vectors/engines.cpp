// SPDX-License-Identifier: MIT
#include "vectors/engines.hpp"
#include "lower/lower.hpp"

#include <fmt/format.h>

#include <array>

#include "interp/interp.hpp"
#include "ir/build.hpp"
#include "ir/evaluate.hpp"
#include "ir/optimise.hpp"
#include "ir/validate.hpp"
#include "jit/jit.hpp"
#include "native/batch.hpp"
#if EBPF_HAS_SIMULATOR
#include "jit/simulate/simulate.hpp"
#endif

namespace ebpf::vectors {
namespace {

Compiled interpret(const EngineProgram& program) {
    interp::Refusal refusal;
    auto image = interp::compile(*program.code, program.bindings, {interp::Dispatch::Best, &refusal});
    if (image) return OwnedImage(*image);
    return std::unexpected(EngineRefusal{image.error(), refusal.slot,
                                         fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                                     refusal.value, status_text(image.error()))});
}

/// The intermediate form, evaluated: what code generators start from, with and without optimisation.
struct EvaluatedImage : engine::Image {
    ir::Module module;
    engine::Bindings bindings;

    static std::uint64_t run_it(const engine::Image& image, engine::Invocation& invocation) noexcept {
        const auto& self = static_cast<const EvaluatedImage&>(image);
        const auto result = ir::evaluate(self.module, self.bindings, invocation);
        if (result) return *result;
        fmt::print(stderr, "evaluating the intermediate form: {}\n", status_text(result.error()));
        return 0;
    }
    static void destroy_it(engine::Image* image) noexcept { delete static_cast<EvaluatedImage*>(image); }
};

Compiled evaluate(const EngineProgram& program, bool is_optimised) {
    const auto regions = lower::regions_of(program.accesses);
    auto module = ir::build({*program.code, program.bindings, regions});
    if (!module) {
        return std::unexpected(EngineRefusal{module.error().status, module.error().slot,
                                             ir::to_error(module.error()).message()});
    }
    if (is_optimised) ir::optimise(*module, program.bindings);
    if (const std::string fault = ir::validate(*module); !fault.empty())
        return std::unexpected(EngineRefusal{Status::Internal, {}, "intermediate form: " + fault});
    auto image = std::make_unique<EvaluatedImage>();
    image->run = EvaluatedImage::run_it;
    image->destroy = EvaluatedImage::destroy_it;
    image->module = std::move(*module);
    image->bindings = program.bindings;
    return OwnedImage(image.release());
}

Compiled evaluate_plain(const EngineProgram& program) {
    return evaluate(program, false);
}

Compiled evaluate_optimised(const EngineProgram& program) {
    return evaluate(program, true);
}

Compiled place(const Result<jit::Translation>& code, const engine::Bindings& bindings) {
    const auto refused = [](Status status, std::string text) {
        return std::unexpected(EngineRefusal{status, {}, std::move(text)});
    };
    if (!code) return refused(code.error().status(), code.error().message());
    auto image = engine::place(code->machine_code(), bindings);
    if (!image) return refused(image.error(), fmt::format("placing: {}", status_text(image.error())));
    return OwnedImage(*image);
}

Compiled translate(const EngineProgram& program, const jit::Options& options) {
    const auto regions = lower::regions_of(program.accesses);
    return place(jit::translate(*program.code, program.bindings, regions, options), program.bindings);
}

/// Options for this machine; without a code generator for it, translate() says so.
jit::Options host_options() {
    jit::Options options;
    options.architecture = jit::host_architecture().value_or(options.architecture);
    options.features = jit::detect_features();
    return options;
}

#if EBPF_HAS_SIMULATOR
Compiled simulate(const EngineProgram& program, const jit::Features& features) {
    const auto refused = [](const Error& error) {
        return std::unexpected(EngineRefusal{error.status(), {}, error.message()});
    };
    jit::Options options;
    options.architecture = jit::Architecture::Arm64;
    options.features = features;
    const auto regions = lower::regions_of(program.accesses);
    const auto code = jit::translate(*program.code, program.bindings, regions, options);
    if (!code) return refused(code.error());
    const auto image = jit::simulate_arm64(code->machine_code(), program.bindings, features);
    if (!image) return refused(image.error());
    return OwnedImage(*image);
}

Compiled simulate_arm64(const EngineProgram& program) {
    jit::Features features;
    features.has_atomics = true;
    return simulate(program, features);
}

Compiled simulate_arm64_baseline(const EngineProgram& program) {
    return simulate(program, {});
}
#endif

Compiled compile(const EngineProgram& program) {
    return translate(program, host_options());
}

// Without optimisation: what the optimiser never leaves to the code generator is in the code, too.
Compiled compile_plain(const EngineProgram& program) {
    const auto regions = lower::regions_of(program.accesses);
    const auto module = ir::build({*program.code, program.bindings, regions});
    if (!module)
        return std::unexpected(EngineRefusal{module.error().status, module.error().slot,
                                             ir::to_error(module.error()).message()});
    return place(jit::generate(*module, host_options()), program.bindings);
}

Compiled compile_blinded(const EngineProgram& program) {
    jit::Options options = host_options();
    options.blind_constants = true;
    constexpr std::uint64_t kSeed = 0x9e3779b97f4a7c15;
    options.seed = kSeed;
    return translate(program, options);
}

// As for a processor that has nothing beyond the architecture's baseline.
Compiled compile_baseline(const EngineProgram& program) {
    jit::Options options = host_options();
    options.features = {};
    return translate(program, options);
}

template <Compiled (*One)(const EngineProgram&)>
std::vector<Compiled> each(std::span<const EngineProgram> programs) {
    std::vector<Compiled> images;
    images.reserve(programs.size());
    for (const EngineProgram& program : programs) images.push_back(One(program));
    return images;
}

native::ProgramInput native_input(const EngineProgram& program, std::size_t number) {
    native::ProgramInput input;
    input.name = fmt::format("program_{}", number);
    input.type = program.type;
    input.code = program.code;
    input.accesses.assign(program.accesses.begin(), program.accesses.end());
    for (const engine::MapBinding& map : program.bindings.maps)
        input.maps.push_back({fmt::format("map{}", input.maps.size()), map.shape});
    return input;
}

std::vector<Compiled> make_native_images(std::span<const EngineProgram> programs) {
    std::vector<native::ProgramInput> inputs;
    for (const EngineProgram& program : programs) inputs.push_back(native_input(program, inputs.size()));
    const auto batch = native::Batch::compile(inputs, {.target = {}, .compiler = {}, .options = {"-Werror"}});
    std::vector<Compiled> images;
    for (const EngineProgram& program : programs) {
        if (!batch) {
            images.push_back(
                std::unexpected(EngineRefusal{batch.error().status(), {}, batch.error().message()}));
            continue;
        }
        auto image = batch->bind(images.size(), program.bindings);
        if (image)
            images.push_back(OwnedImage(*image));
        else
            images.push_back(std::unexpected(
                EngineRefusal{image.error().status, image.error().slot, image.error().message}));
    }
    return images;
}

constexpr std::array kEngines{
    Engine{"interpreter", each<interpret>, nullptr},
    Engine{"ir", each<evaluate_plain>, nullptr},
    Engine{"ir-optimised", each<evaluate_optimised>, nullptr},
    Engine{"jit", each<compile>, nullptr},
    Engine{"jit-plain", each<compile_plain>, nullptr},
    Engine{"jit-baseline", each<compile_baseline>, nullptr},
    Engine{"jit-blinded", each<compile_blinded>, nullptr},
#if EBPF_HAS_SIMULATOR
    Engine{"jit-arm64", each<simulate_arm64>, nullptr},
    Engine{"jit-arm64-baseline", each<simulate_arm64_baseline>, nullptr},
#else
    Engine{"jit-arm64", nullptr, "the code generator for arm64 and its simulator"},
#endif
    Engine{"native", make_native_images, nullptr},
};

}  // namespace

std::span<const Engine> engines() noexcept {
    return kEngines;
}

const Engine* find_engine(std::string_view name) noexcept {
    for (const Engine& engine : kEngines) {
        if (name == engine.name) return &engine;
    }
    return nullptr;
}

const Engine& interpreter() noexcept {
    return kEngines[0];
}

}  // namespace ebpf::vectors
