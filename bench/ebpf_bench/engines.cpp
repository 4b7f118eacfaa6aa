// SPDX-License-Identifier: MIT
// The engines that this build can measure.
#include <fmt/format.h>

#include "base/try.hpp"
#include "image_runner.hpp"
#include "interp/interp.hpp"
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

Engine image_engine(std::string name, std::string title, Compile compile) {
    return {std::move(name), std::move(title), [compile = std::move(compile)](const Subject& subject) {
                return prepare_image(subject, compile);
            }};
}

}  // namespace

std::vector<PlainCompiler> image_compilers() {
    return {{"interpreter", interpret}};
}

std::vector<Engine> all_engines() {
    return {
        {kNative, "native", prepare_native},
        image_engine(kInterpreter, "interpreter", interpret_subject),
        {kKernel, "Linux kernel", prepare_kernel},
    };
}

}  // namespace ebpf::bench
