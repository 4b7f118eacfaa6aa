// SPDX-License-Identifier: MIT
#include "vectors/engines.hpp"

#include <fmt/format.h>

#include <array>

#include "interp/interp.hpp"
#include "native/batch.hpp"

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
    Engine{"jit", nullptr, "the code generator for this machine"},
    Engine{"jit-arm64", nullptr, "the code generator for arm64 and its simulator"},
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
