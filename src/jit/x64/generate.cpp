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

void align(Translation& code) {
    code.code.resize((code.code.size() + kFunctionAlignment - 1) / kFunctionAlignment * kFunctionAlignment,
                     kTrap);
}

void append(Translation& to, const std::uint8_t* code, std::size_t size, const Emitted& emitted,
            std::vector<PendingCall>& calls) {
    align(to);
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

/// Appends a function that a C caller can call function `number` by: arguments that C passes on the stack
/// come from there. Returns its offset.
std::size_t append_thunk(Translation& to, std::uint32_t number, const Convention& convention,
                         std::vector<PendingCall>& calls) {
    constexpr std::size_t kMostBytes = 64;
    constexpr std::size_t kSlotBytes = 8;
    align(to);
    const std::size_t start = to.code.size();
    std::uint8_t buffer[kMostBytes];
    Xbyak::CodeGenerator code(sizeof buffer, buffer);
    std::size_t at = kSlotBytes + convention.home_bytes;  // above the return address
    for (std::size_t i = convention.argument_registers; i < convention.local_arguments.size(); ++i) {
        code.mov(Xbyak::Reg64(convention.local_arguments[i]), code.qword[code.rsp + at]);
        at += kSlotBytes;
    }
    code.db(0xe9);  // jmp, to be filled in
    calls.push_back({start + code.getSize(), number});
    code.dd(0);
    to.code.resize(start + code.getSize());
    std::memcpy(to.code.data() + start, buffer, code.getSize());
    return start;
}

/// Fills in where the functions are that helpers call back.
void resolve_addresses(Translation& to, const Convention& convention, std::vector<PendingCall>& calls) {
    const bool is_as_in_c = convention.arguments == convention.local_arguments;
    std::vector<std::uint64_t> address(to.functions.size(), 0);  // never 0: there the program is
    for (engine::Relocation& relocation : to.relocations) {
        if (relocation.kind != engine::RelocationKind::Function) continue;
        std::uint64_t& known = address[relocation.index];
        if (known == 0) {
            known = is_as_in_c ? to.functions[relocation.index]
                               : append_thunk(to, relocation.index, convention, calls);
        }
        relocation.addend = known;
    }
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
    resolve_addresses(result, convention, calls);
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
