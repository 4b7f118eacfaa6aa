// SPDX-License-Identifier: MIT
// Any bytecode into verify(). Oracles: a refusal is explained and never internal; an accepted program has
// facts for every slot, and invariants exactly where it is reachable; joining states early never accepts what
// is refused without.
#include <array>
#include <string_view>

#include "fuzz.hpp"
#include "object/object_spec.hpp"
#include "verifier/observe.hpp"
#include "verifier/verifier.hpp"

namespace {

using ebpf::fuzz::require;
using ebpf::verifier::Report;
using ebpf::verifier::Request;
using ebpf::verifier::Verdict;
namespace spec = ebpf::spec;

constexpr std::array kTypes = {spec::ProgramType::Xdp, spec::ProgramType::SocketFilter,
                               spec::ProgramType::Memory};

/// The first byte chooses the program type, the rest is bytecode.
Request make_request(std::span<const std::uint8_t> input) {
    Request request;
    request.program_name = "fuzz";
    request.type = kTypes[input[0] % kTypes.size()];
    request.is_gpl = true;
    request.memory_length = 64;
    const auto bytes = std::as_bytes(input.subspan(1));
    request.bytecode.assign(bytes.begin(), bytes.end());
    request.maps.push_back({"array", {spec::MapType::Array, 4, 8, 16, 0}, false, {}});
    request.maps.push_back({"hash", {spec::MapType::Hash, 8, 24, 16, 0}, false, {}});
    request.maps.push_back({"data", {spec::MapType::Array, 4, 16, 1, 0}, true, std::vector<std::byte>(16)});
    request.maps.push_back({"programs", {spec::MapType::ProgArray, 4, 4, 4, 0}, false, {}});
    request.limits.instructions = 20000;
    request.limits.memory_bytes = std::uint64_t{1} << 26U;
    return request;
}

void check_accepted(const Report& report, std::size_t slots) {
    require(report.failures.empty(), "accepted with failures");
    require(report.accesses.size() == slots && report.reachable.size() == slots, "facts for other slots");
    require(report.stack_bytes <= spec::kStackBytes, "accepted with too deep a stack");
    require(report.invariants != nullptr, "no invariants");
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
        const bool has_states = !ebpf::verifier::describe(*report.invariants, slot).empty();
        require(has_states == report.reachable[slot], "reachable without a state, or the reverse");
    }
}

void check_refused(const Report& report) {
    require(report.failures.size() == 1, "refused without one failure");
    const auto& failure = report.failures[0];
    require(failure.rule.size() == 4 && !failure.category.empty() && !failure.message.empty(), "unexplained");
    require(failure.category != "internal", "internal failure");
    require(report.accesses.empty() && report.invariants == nullptr, "refused with facts");
}

}  // namespace

namespace ebpf::fuzz {

std::vector<std::uint8_t> make_seed(std::span<const std::byte> object) {
    std::vector<std::uint8_t> seed{0};
    const auto spec = object::read_object(object, "seed");
    require(spec.has_value() && !spec->programs.empty(), "a seed has no program");
    for (const std::byte byte : spec->programs[0].bytecode)
        seed.push_back(std::to_integer<std::uint8_t>(byte));
    return seed;
}

}  // namespace ebpf::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Request request = make_request({data, size});
    request.wants_invariants = true;
    const Report report = ebpf::verifier::verify(request);
    if (report.verdict == Verdict::Accept) {
        check_accepted(report, request.bytecode.size() / spec::kSlotBytes);
    } else {
        check_refused(report);
    }
    request.wants_invariants = false;
    request.limits.path_budget = 0;
    const Report coarse = ebpf::verifier::verify(request);
    const bool is_limit = !report.failures.empty() && report.failures[0].category == "limit";
    require(coarse.verdict == Verdict::Reject || report.verdict == Verdict::Accept || is_limit,
            "accepted only where states were joined early");
    return 0;
}
