// SPDX-License-Identifier: MIT
#include "vectors/engines.hpp"

#include <fmt/format.h>

#include <array>

#include "interp/interp.hpp"

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

constexpr std::array kEngines{
    Engine{"interpreter", each<interpret>, nullptr},
    Engine{"jit", nullptr, "the code generator for this machine"},
    Engine{"jit-arm64", nullptr, "the code generator for arm64 and its simulator"},
    Engine{"native", nullptr, "native images"},
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
