// SPDX-License-Identifier: MIT
#include "jit/simulate/simulate.hpp"

#include <aarch64/macro-assembler-aarch64.h>
#include <aarch64/simulator-aarch64.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/try.hpp"

namespace ebpf::jit {
namespace {

namespace a64 = vixl::aarch64;

// What the stubs call, with the host's function last. The simulator copies arguments, thus pointers.
std::uint64_t call_helper(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                          std::uint64_t r5, engine::Invocation* invocation, std::uint64_t function) {
    const auto helper = reinterpret_cast<engine::HelperFunction>(static_cast<std::uintptr_t>(function));
    return helper(r1, r2, r3, r4, r5, *invocation);
}

std::uint64_t call_lookup(std::uint64_t map, const void* key, std::uint64_t function) {
    const auto lookup = reinterpret_cast<engine::MapLookupFunction>(static_cast<std::uintptr_t>(function));
    return reinterpret_cast<std::uintptr_t>(lookup(map, key));
}

std::uint64_t call_packet_bytes(const engine::Invocation* invocation, std::int64_t offset,
                                std::uint64_t size) {
    return reinterpret_cast<std::uintptr_t>(engine::packet_bytes(*invocation, offset, size));
}

/// Arm64 functions that stand for the host's.
class Stubs {
  public:
    /// Adds one for `function`, or finds it. Returns its index.
    std::size_t add(engine::RelocationKind kind, std::uint64_t function) {
        const auto [known, is_new] = indices_.try_emplace({kind, function}, offsets_.size());
        if (!is_new) return known->second;
        offsets_.push_back(masm_.GetCursorOffset());
        masm_.Push(a64::x29, a64::lr);  // a runtime call sets the return address, as any call
        if (kind == engine::RelocationKind::Helper) {
            masm_.Mov(a64::x6, function);
            masm_.CallRuntime(call_helper);
        } else if (kind == engine::RelocationKind::MapLookup) {
            masm_.Mov(a64::x2, function);
            masm_.CallRuntime(call_lookup);
        } else {
            masm_.CallRuntime(call_packet_bytes);
        }
        // A callee may change these, so it does.
        for (int number = 1; number <= 17; ++number) {
            masm_.Mov(a64::XRegister(number), 0xdead000000000000 + static_cast<unsigned>(number));
        }
        masm_.Pop(a64::lr, a64::x29);
        masm_.Ret();
        return known->second;
    }

    void finish() { masm_.FinalizeCode(); }

    /// Requires: finish() was called.
    [[nodiscard]] std::uint64_t address(std::size_t index) const {
        const auto* start = masm_.GetBuffer().GetStartAddress<const std::byte*>();
        return reinterpret_cast<std::uintptr_t>(start + offsets_[index]);
    }

  private:
    a64::MacroAssembler masm_;
    std::vector<std::ptrdiff_t> offsets_;
    std::map<std::pair<engine::RelocationKind, std::uint64_t>, std::size_t> indices_;
};

bool is_function(engine::RelocationKind kind) {
    return kind == engine::RelocationKind::Helper || kind == engine::RelocationKind::MapLookup ||
           kind == engine::RelocationKind::PacketBytes;
}

constexpr unsigned kFirstKept = 19;
constexpr unsigned kLastKept = 29;
constexpr std::int64_t kKeptValue = 0x1234567800000000;
constexpr std::size_t kStackBytes = std::size_t{128} * 1024;
constexpr unsigned kReturnAddress = 30;
constexpr unsigned kStackPointer = 31;

class Simulation : public engine::Image {
  public:
    Result<void> set_up(const engine::MachineCode& source, const engine::Bindings& bindings,
                        const Features& features) {
        if (source.code.empty()) return fail(Status::InvalidArgument, "there is no code");
        words_.resize((source.code.size() + sizeof(std::uint32_t) - 1) / sizeof(std::uint32_t));
        std::memcpy(words_.data(), source.code.data(), source.code.size());
        EBPF_TRY_VOID(relocate(source, bindings));
        auto allowed = vixl::CPUFeatures::AArch64LegacyBaseline();
        if (features.has_atomics) allowed.Combine(vixl::CPUFeatures::kAtomics);
        // Calls may be as deep as they are allowed, and each frame hold its largest.
        a64::SimStack stack;
        stack.SetUsableSize(kStackBytes);
        simulator_ = std::make_unique<a64::Simulator>(&decoder_, stdout, stack.Allocate());
        simulator_->SetCPUFeatures(allowed);
        simulator_->SilenceExclusiveAccessWarning();
        kind = engine::EngineKind::Jit;
        Image::run = run_simulated;
        destroy = [](engine::Image* image) noexcept { delete static_cast<Simulation*>(image); };
        bytes = sizeof(*this) + source.code.size();
        Image::code = std::as_bytes(std::span(words_)).first(source.code.size());
        return {};
    }

  private:
    Result<void> relocate(const engine::MachineCode& source, const engine::Bindings& bindings) {
        struct Field {
            std::uint32_t offset;
            std::size_t stub;
        };
        std::vector<Field> fields;
        auto* start = reinterpret_cast<std::byte*>(words_.data());
        for (const engine::Relocation& relocation : source.relocations) {
            const auto value = engine::resolve(
                relocation, std::as_bytes(std::span(words_)).first(source.code.size()), bindings);
            const bool is_inside = source.code.size() >= sizeof *value &&
                                   relocation.offset <= source.code.size() - sizeof *value;
            if (!value || !is_inside) {
                const Status status = value ? Status::Malformed : value.error();
                return fail(status, fmt::format("relocation of kind {} with index {} at {}: {}",
                                                static_cast<unsigned>(relocation.kind), relocation.index,
                                                relocation.offset, status_text(status)));
            }
            std::memcpy(start + relocation.offset, &*value, sizeof *value);
            if (is_function(relocation.kind)) {
                fields.push_back({relocation.offset, stubs_.add(relocation.kind, *value)});
            }
        }
        stubs_.finish();
        for (const Field& field : fields) {
            const std::uint64_t address = stubs_.address(field.stub);
            std::memcpy(start + field.offset, &address, sizeof address);
        }
        return {};
    }

    static std::uint64_t run_simulated(const engine::Image& image, engine::Invocation& invocation) noexcept {
        return static_cast<const Simulation&>(image).enter(invocation);
    }

    std::uint64_t enter(engine::Invocation& invocation) const {
        const std::lock_guard guard(mutex_);
        invocation.call_back = call_back;
        invocation.engine_state = const_cast<Simulation*>(this);
        a64::Simulator& simulator = *simulator_;
        simulator.ResetState();
        for (unsigned number = kFirstKept; number <= kLastKept; ++number) {
            simulator.WriteXRegister(number, kKeptValue + number);
        }
        simulator.WriteXRegister(0, reinterpret_cast<std::intptr_t>(static_cast<const Image*>(this)));
        simulator.WriteXRegister(1, reinterpret_cast<std::intptr_t>(&invocation));
        run_function(reinterpret_cast<std::uintptr_t>(words_.data()));
        return static_cast<std::uint64_t>(simulator.ReadXRegister(0));
    }

    /// Runs the function at `address` until it returns, on the registers as they are.
    void run_function(std::uint64_t address) const {
        a64::Simulator& simulator = *simulator_;
        std::array<std::int64_t, kLastKept + 1> kept{};
        for (unsigned number = kFirstKept; number <= kLastKept; ++number) {
            kept[number] = simulator.ReadXRegister(number);
        }
        const std::int64_t stack = simulator.ReadXRegister(kStackPointer, a64::Reg31IsStackPointer);
        simulator.RunFrom(reinterpret_cast<const a64::Instruction*>(static_cast<std::uintptr_t>(address)));
        for (unsigned number = kFirstKept; number <= kLastKept; ++number) {
            if (simulator.ReadXRegister(number) != kept[number]) refuse(number);
        }
        if (simulator.ReadXRegister(kStackPointer, a64::Reg31IsStackPointer) != stack) refuse(kStackPointer);
    }

    /// engine::Invocation::call_back. The simulator is amid the call of a helper, where it goes on
    /// afterwards.
    static std::uint64_t call_back(engine::Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                   std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept {
        const auto& self = *static_cast<const Simulation*>(invocation.engine_state);
        a64::Simulator& simulator = *self.simulator_;
        const auto* here = simulator.ReadPc();
        const std::int64_t return_address = simulator.ReadXRegister(kReturnAddress);
        const std::uint64_t arguments[] = {r1, r2, r3, r4, 0, reinterpret_cast<std::uintptr_t>(&invocation)};
        for (unsigned number = 0; number < std::size(arguments); ++number) {
            simulator.WriteXRegister(number, static_cast<std::int64_t>(arguments[number]));
        }
        simulator.WriteXRegister(kReturnAddress,
                                 reinterpret_cast<std::intptr_t>(a64::Simulator::kEndOfSimAddress));
        self.run_function(code);
        const auto result = static_cast<std::uint64_t>(simulator.ReadXRegister(0));
        simulator.WriteXRegister(kReturnAddress, return_address);
        simulator.WritePc(here);
        return result;
    }

    [[noreturn]] static void refuse(unsigned number) {
        std::fprintf(stderr, "simulated arm64 code did not keep register %u\n", number);
        std::abort();
    }

    Stubs stubs_;
    std::vector<std::uint32_t> words_;
    mutable std::mutex mutex_;
    a64::Decoder decoder_;
    std::unique_ptr<a64::Simulator> simulator_;
};

}  // namespace

Result<engine::Image*> simulate_arm64(const engine::MachineCode& code, const engine::Bindings& bindings,
                                      const Features& features) {
    auto simulation = std::make_unique<Simulation>();
    EBPF_TRY_VOID(simulation->set_up(code, bindings, features));
    return simulation.release();
}

}  // namespace ebpf::jit
