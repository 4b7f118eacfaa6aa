// SPDX-License-Identifier: MIT
#include "observer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "interp/interp.hpp"
#include "isa/text/disassemble.hpp"
#include "spec/helpers.hpp"

namespace ebpf::oracle {
namespace {

struct Range {
    std::uint64_t begin;
    std::uint64_t bytes;
    [[nodiscard]] bool holds(std::uint64_t address, std::uint64_t size) const {
        return address >= begin && size <= bytes && address - begin <= bytes - size;
    }
};

std::uint64_t address_of(const void* memory) {
    return reinterpret_cast<std::uintptr_t>(memory);
}

}  // namespace

Observer::Observer(const isa::Code& code, const vectors::TestHost& host, const engine::Invocation& invocation,
                   const verifier::Report* report)
    : code_(code), host_(host), invocation_(invocation), report_(report) {
    std::uint32_t index = 0;
    for (maps::Map* map : host.maps()) {
        verifier::ConcreteMap concrete;
        concrete.map = index++;
        concrete.handle = address_of(map);
        if (map->direct_value() != nullptr && map->shape().max_entries == 1) {
            concrete.address = address_of(map->direct_value());
            concrete.stride = map->shape().value_size;
            concrete.count = 1;
        }
        maps_.push_back(concrete);
    }
}

// Keys of arrays lie in the helper that visits the elements. The report names no kind for accesses to keys.
bool Observer::may_read_key(std::uint32_t slot) const {
    if (report_ == nullptr || report_->accesses[slot] != verifier::AccessKind::None) return false;
    return std::ranges::any_of(code_, [](const isa::Instruction& instruction) {
        return instruction.spec().family == spec::Family::CallHelper &&
               instruction.imm == static_cast<std::int64_t>(spec::HelperId::for_each_map_elem);
    });
}

bool Observer::before(const interp::Observation& seen) {
    if (++steps_ >= kMostSteps) return false;
    if (report_ != nullptr) check_state(seen);
    if (violation_.empty()) check_access(seen);
    return violation_.empty();
}

void Observer::check_access(const interp::Observation& seen) {
    const isa::Instruction& instruction = code_[seen.slot];
    const spec::FormSpec& form = instruction.spec();
    if (form.memory == spec::Access::None || form.group == spec::Group::Packet) return;
    const bool is_load = form.memory == spec::Access::Read;
    const std::uint64_t address = seen.registers[is_load ? instruction.src : instruction.dst] +
                                  static_cast<std::uint64_t>(std::int64_t{instruction.offset});
    // Frames lie one below the other: from the lowest byte of this one to the highest of the program's.
    const Range stack{address_of(seen.stack), (seen.depth + 1U) * std::uint64_t{spec::kStackBytes}};
    const auto memory = host_.memory();
    if (stack.holds(address, form.size)) return;
    if (Range{address_of(memory.data()), memory.size()}.holds(address, form.size)) return;
    const auto context = host_.context();
    if (Range{address_of(context.data()), context.size()}.holds(address, form.size)) return;
    for (const maps::Map* map : host_.maps()) {
        if (Range{address_of(map->region().data()), map->region().size()}.holds(address, form.size)) return;
    }
    if (is_load && may_read_key(seen.slot)) return;
    violation_ = fmt::format("instruction {}: {}: address {:#x} is in no memory of the program", seen.slot,
                             isa::disassemble(instruction), address);
}

void Observer::check_state(const interp::Observation& seen) {
    if (!report_->reachable[seen.slot]) {
        violation_ =
            fmt::format("instruction {} is executed, the verifier holds it for unreachable", seen.slot);
        return;
    }
    verifier::ConcreteState state;
    for (unsigned i = 0; i < spec::kRegisterCount; ++i) state.registers[i] = seen.registers[i];
    std::array<verifier::ConcreteFrame, spec::kMaxCallFrames> frames;
    for (std::uint32_t i = 0; i <= seen.depth; ++i) {
        const std::byte* bottom = seen.stack + std::size_t{seen.depth - i} * spec::kStackBytes;
        frames[i] = {address_of(bottom + spec::kStackBytes), std::span(bottom, spec::kStackBytes)};
    }
    state.frames = std::span(frames.data(), seen.depth + 1U);
    const auto memory = host_.memory();
    state.context = address_of(invocation_.context);
    state.packet_meta = address_of(host_.packet_meta());
    state.packet_start = address_of(memory.data());
    state.packet_end = address_of(memory.data() + memory.size());
    state.memory = address_of(memory.data());
    state.maps = maps_;
    std::string why;
    if (verifier::admits(*report_->invariants, seen.slot, state, &why)) return;
    violation_ = fmt::format("instruction {}: {}: {}", seen.slot, isa::disassemble(code_[seen.slot]), why);
}

std::string observe(const isa::Code& code, vectors::TestHost& host, const verifier::Report* report,
                    std::uint64_t& result) {
    interp::Refusal refusal;
    auto image = interp::compile(code, host.bindings(), {interp::Dispatch::Stepping, &refusal});
    if (!image) {
        return fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what, refusal.value,
                           status_text(image.error()));
    }
    engine::Invocation invocation = host.start();
    Observer observer(code, host, invocation, report);
    result = host.inside([&] { return interp::run_observed(**image, invocation, observer); });
    (*image)->destroy(*image);
    if (observer.is_out_of_steps()) return fmt::format("still running after {} steps", observer.steps());
    return observer.violation();
}

}  // namespace ebpf::oracle
