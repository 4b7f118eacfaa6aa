// SPDX-License-Identifier: MIT
// Puts a module's functions one behind the other.
#include <cstring>
#include <memory>

#include "jit/allocation.hpp"
#include "jit/x64/emitter.hpp"
#include "jit/x64/x64.hpp"

namespace ebpf::jit::x64 {
namespace {

constexpr std::size_t kFunctionAlignment = 16;
constexpr std::byte kTrap{0xcc};  // int3, between functions

struct PendingCall {
    std::size_t offset;
    std::uint32_t function;
};

void append(Translation& to, const std::uint8_t* code, std::size_t size, const Emitted& emitted,
            std::vector<PendingCall>& calls) {
    to.code.resize((to.code.size() + kFunctionAlignment - 1) / kFunctionAlignment * kFunctionAlignment,
                   kTrap);
    const std::size_t start = to.code.size();
    const auto base = static_cast<std::uint32_t>(start);
    to.functions.push_back(base);
    to.code.resize(start + size);
    std::memcpy(to.code.data() + start, code, size);
    for (engine::Relocation relocation : emitted.relocations) {
        relocation.offset += base;
        to.relocations.push_back(relocation);
    }
    for (const SlotOffset& it : emitted.slots) to.slots.push_back({it.offset + base, it.slot});
    for (const LocalCall& call : emitted.calls) calls.push_back({start + call.offset, call.function});
}

}  // namespace

Result<Translation> generate(const ir::Module& module, const Options& options) {
    return generate(module, options, convention(options.architecture));
}

Result<Translation> generate(const ir::Module& module, const Options& options, const Convention& convention) {
    const std::vector<bool> needs_invocation = find_invocation_users(module);
    SelectOptions select_options;
    select_options.convention = &convention;
    select_options.features = options.features;
    select_options.blind_constants = options.blind_constants;
    select_options.needs_invocation = &needs_invocation;
    Translation result;
    Selected selected;
    Allocator allocator;
    Allocation allocation;
    Emitted emitted;
    std::vector<PendingCall> calls;
    for (std::size_t i = 0; i < module.functions.size(); ++i) {
        const ir::Function& function = module.functions[i];
        select_options.is_program = i == 0;
        select(function, select_options, selected);
        allocator.allocate(function, selected.selection, convention.file, allocation);
        const Source source{function, selected, allocation, convention, options, i == 0};
        const std::size_t size = Emitter::bytes_needed(selected, allocation);
        const auto buffer = std::make_unique_for_overwrite<std::uint8_t[]>(size);
        try {
            append(result, buffer.get(), Emitter(source, buffer.get(), size).run(emitted), emitted, calls);
        } catch (const Xbyak::Error& error) {
            return fail(Status::LimitExceeded, std::string("x64 code generator: ") + error.what());
        }
    }
    for (const PendingCall& call : calls) {
        const auto distance = static_cast<std::int32_t>(result.functions[call.function]) -
                              static_cast<std::int32_t>(call.offset + sizeof(std::int32_t));
        std::memcpy(result.code.data() + call.offset, &distance, sizeof(distance));
    }
    return result;
}

Features detect_features() {
    Features features;
#if defined(__x86_64__)
    __builtin_cpu_init();
    features.has_bmi1 = __builtin_cpu_supports("bmi") != 0;
    features.has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
    unsigned a = 1;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    features.has_movbe = (c >> 22U & 1U) != 0;
#endif
    return features;
}

}  // namespace ebpf::jit::x64
