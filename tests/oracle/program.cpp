// SPDX-License-Identifier: MIT
#include "program.hpp"

#include <algorithm>

#include "isa/decode.hpp"
#include "isa/encode.hpp"
#include "isa/text/disassemble.hpp"
#include "spec/helpers.hpp"

namespace ebpf::oracle {

std::uint64_t Random::edge() {
    switch (below(4)) {
        case 0:
            return below(16);
        case 1: {
            const std::uint64_t power = std::uint64_t{1} << below(64);
            return power + below(3) - 1;
        }
        case 2:
            return ~std::uint64_t{below(256)} + 1;
        default:
            return bits();
    }
}

Bytes Body::bytecode() const {
    const auto bytes = isa::encode(code);
    if (!bytes) return {};
    return {bytes->begin(), bytes->end()};
}

std::vector<verifier::AccessKind> Body::accesses() const {
    std::vector<verifier::AccessKind> kinds(code.size(), verifier::AccessKind::None);
    for (const std::uint32_t slot : context_slots) kinds[slot] = verifier::AccessKind::Context;
    return kinds;
}

verifier::Request Generated::request(const Body& body) const {
    verifier::Request request;
    request.program_name = "generated";
    request.type = type;
    request.is_gpl = true;
    request.memory_length = type == spec::ProgramType::Memory ? memory.size() : 0;
    request.bytecode = body.bytecode();
    for (const MapSetup& map : maps) {
        verifier::MapInfo info;
        info.name = "map" + std::to_string(request.maps.size());
        info.shape = map.shape;
        request.maps.push_back(std::move(info));
    }
    request.wants_invariants = true;
    // A mutation may make a loop of billions of rounds; what cannot be decided soon is refused.
    request.limits.time_ns = 300'000'000;
    return request;
}

std::vector<spec::MapShape> Generated::shapes() const {
    std::vector<spec::MapShape> all;
    all.reserve(maps.size());
    for (const MapSetup& map : maps) all.push_back(map.shape);
    return all;
}

bool Generated::asks_host() const {
    using enum spec::HelperId;
    const auto asks = [](const Body& body) {
        return std::ranges::any_of(body.code, [](const isa::Instruction& instruction) {
            if (instruction.spec().family != spec::Family::CallHelper) return false;
            const auto id = static_cast<spec::HelperId>(instruction.imm);
            return id == get_prandom_u32 || id == ktime_get_ns || id == get_smp_processor_id;
        });
    };
    return asks(*this) ||
           std::ranges::any_of(targets, [&](const Target& target) { return asks(target.body); });
}

void mutate(Generated& program, Random& random) {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        std::vector<isa::Instruction> code = program.code;
        isa::Instruction& instruction = code[random.below(static_cast<std::uint32_t>(code.size()))];
        switch (random.below(5)) {
            case 0:
                instruction.dst = static_cast<std::uint8_t>(random.below(spec::kRegisterCount));
                break;
            case 1:
                instruction.src = static_cast<std::uint8_t>(random.below(spec::kRegisterCount));
                break;
            case 2:
                instruction.offset =
                    static_cast<std::int16_t>(instruction.offset + static_cast<int>(random.below(17)) - 8);
                break;
            case 3:
                instruction.imm = static_cast<std::int32_t>(
                    random.one_in(2) ? random.edge()
                                     : static_cast<std::uint64_t>(instruction.imm) + random.below(5) - 2);
                break;
            default: {
                // another form with the same shape: an operator, width or size for another
                const auto& forms = spec::forms();
                const auto form =
                    static_cast<spec::Form>(1 + random.below(static_cast<std::uint32_t>(forms.size()) - 1));
                if (spec::form_spec(form).family != instruction.spec().family) continue;
                instruction.form = form;
                break;
            }
        }
        if (code == program.code) continue;
        const auto bytes = isa::encode(code);
        if (!bytes) continue;
        const auto decoded = isa::decode(*bytes, spec::kAllGroups);
        if (!decoded) continue;
        program.code.assign(decoded->begin(), decoded->end());
        return;
    }
}

namespace {

std::string list(const Body& body) {
    std::string text;
    for (std::size_t slot = 0; slot < body.code.size(); ++slot) {
        if (body.code[slot].spec().slots != 0) text += isa::listing_line(slot, body.code[slot]) + "\n";
    }
    return text;
}

}  // namespace

std::string listing(const Generated& program) {
    std::string text = list(program);
    for (const Target& target : program.targets)
        text += "target " + std::to_string(target.index) + ":\n" + list(target.body);
    return text;
}

}  // namespace ebpf::oracle
