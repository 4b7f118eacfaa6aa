// SPDX-License-Identifier: MIT
// The engines that this build can measure.
#include <fmt/format.h>

#include <span>
#include <vector>

#include "base/try.hpp"
#include "engine/machine_code.hpp"
#include "image_runner.hpp"
#include "interp/interp.hpp"
#include "jit/jit.hpp"
#include "lower/lower.hpp"
#include "native/batch.hpp"
#include "runner.hpp"

namespace ebpf::bench {
namespace {

Result<engine::Image*> interpret(const isa::Code& code, const engine::Bindings& bindings) {
    interp::Refusal refusal;
    auto image = interp::compile(code, bindings, {.dispatch = interp::Dispatch::Best, .refusal = &refusal});
    if (!image) {
        return fail(image.error(),
                    fmt::format("instruction {}: {} {}", refusal.slot, refusal.what, refusal.value));
    }
    return *image;
}

Result<engine::Image*> interpret_subject(const Subject& subject, const engine::Bindings& bindings,
                                         std::size_t& code_bytes) {
    EBPF_TRY(engine::Image* const image, interpret(subject.code, bindings));
    code_bytes = image->bytes;
    return image;
}

Result<engine::Image*> translate(const isa::Code& code, const engine::Bindings& bindings,
                                 std::span<const ir::Region> regions) {
    EBPF_TRY(const jit::Architecture architecture, jit::host_architecture());
    EBPF_TRY(const auto translation,
             jit::translate(code, bindings, regions,
                            {.architecture = architecture, .features = jit::detect_features()}));
    auto image = engine::place(translation.machine_code(), bindings);
    if (!image) return fail(image.error(), "placing the code");
    return *image;
}

Result<engine::Image*> translate_subject(const Subject& subject, const engine::Bindings& bindings,
                                         std::size_t& code_bytes) {
    const auto regions = lower::regions_of(subject.accesses);
    EBPF_TRY(engine::Image* const image, translate(subject.code, bindings, regions));
    code_bytes = image->code.size();
    return image;
}

native::ProgramInput native_input(const Subject& subject) {
    native::ProgramInput input;
    input.name = subject.name();
    input.section = "xdp";
    input.type = subject.request.type;
    input.code = &subject.code;
    input.accesses = subject.accesses;
    for (const verifier::MapInfo& map : subject.request.maps) input.maps.push_back({map.name, map.shape});
    input.lines = subject.request.lines;
    input.subprograms = subject.request.subprograms;
    return input;
}

// The C compiler runs once; what is measured many times would be binding.
Result<std::unique_ptr<Runner>> prepare_native_image(const Subject& subject) {
    const native::ProgramInput input = native_input(subject);
    const std::uint64_t start = wall_time_ns();
    EBPF_TRY(const auto batch, native::Batch::compile(std::span(&input, 1), {}));
    const auto compile_ns = static_cast<double>(wall_time_ns() - start);
    auto runner = prepare_image(subject,
                                [&](const Subject&, const engine::Bindings& bindings,
                                    std::size_t& code_bytes) -> Result<engine::Image*> {
                                    auto image = batch.bind(0, bindings);
                                    if (!image) return fail(image.error().status, image.error().message);
                                    code_bytes = (*image)->code.size();
                                    return *image;
                                });
    if (runner) (*runner)->compile_ns = compile_ns;
    return runner;
}

Engine image_engine(std::string name, std::string title, Compile compile) {
    return {std::move(name), std::move(title), [compile = std::move(compile)](const Subject& subject) {
                return prepare_image(subject, compile);
            }};
}

}  // namespace

std::vector<PlainCompiler> image_compilers() {
    const auto jit = [](const isa::Code& code, const engine::Bindings& bindings) {
        return translate(code, bindings, {});
    };
    return {{"interpreter", interpret}, {"JIT", jit}};
}

std::vector<Engine> all_engines() {
    return {
        {kNative, "native", prepare_native},
        image_engine(kInterpreter, "interpreter", interpret_subject),
        image_engine("jit", "JIT", translate_subject),
        {"native-image", "native image", prepare_native_image},
        {kKernel, "Linux kernel", prepare_kernel},
    };
}

}  // namespace ebpf::bench
