// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>

#include "analysis/explore.hpp"
#include "analysis/graph.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "verifier/message.hpp"
#include "verifier/record.hpp"
#include "verifier/trace.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::verifier {
namespace {

using Clock = std::chrono::steady_clock;

/// States kept apart at one point: first few, then, if joining may have cost the proof, many; then, if that
/// was too much work, hardly any.
constexpr std::uint32_t kUsualStates = 32;
/// With many states, calls of callbacks are also counted.
constexpr std::uint32_t kManyStates = 1024;
constexpr std::uint32_t kFewStates = 2;

class Verification {
  public:
    Verification(const Request& request, Report& report) : request_(request), report_(report) {}

    void run() {
        const auto begin = Clock::now();
        deadline_ = begin + std::chrono::nanoseconds(request_.limits.time_ns);
        if (check_request() && decode() && build_graph()) prove();
        report_.time_ns = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
    }

  private:
    bool refuse(spec::Rule rule, std::uint32_t slot, std::string message) {
        report_.failures.push_back(make_failure(request_, rule, slot, std::move(message)));
        return false;
    }

    /// Takes the program's type from the request if it is no row of the tables.
    bool add_registered_type() {
        if (request_.registered.empty()) return true;
        if (spec::find_program_type(static_cast<std::uint32_t>(request_.type)) != nullptr ||
            request_.registered.size() != 1) {
            return refuse(spec::Rule::BadRequest, 0,
                          fmt::format("program type {} does not need {} descriptions",
                                      static_cast<std::uint32_t>(request_.type), request_.registered.size()));
        }
        std::string fault = fault_of(request_.registered.front());
        if (!fault.empty()) return refuse(spec::Rule::BadRequest, 0, std::move(fault));
        registered_.emplace(request_.registered.front(), request_.type);
        program_.catalogue = registered_->catalogue();
        return true;
    }

    bool check_request() {
        const auto number = static_cast<std::uint32_t>(request_.type);
        if (!add_registered_type()) return false;
        program_.type = program_.catalogue.find_program_type(number);
        if (program_.type == nullptr) {
            return refuse(spec::Rule::BadRequest, 0, fmt::format("program type {} is not known", number));
        }
        program_.attach = spec::attach_mask(request_.type, request_.attach_type);
        if (program_.attach == 0) {
            return refuse(spec::Rule::BadRequest, 0,
                          fmt::format("programs of type {} have no attach type {}", program_.type->name,
                                      request_.attach_type));
        }
        if (request_.memory_length > static_cast<std::uint64_t>(check::kMaxOffset)) {
            return refuse(spec::Rule::BadRequest, 0,
                          fmt::format("memory of {} bytes is larger than {}", request_.memory_length,
                                      check::kMaxOffset));
        }
        for (const MapInfo& map : request_.maps) {
            if (spec::find_map_type(static_cast<std::uint32_t>(map.shape.type)) == nullptr) {
                return refuse(spec::Rule::BadRequest, 0,
                              fmt::format("map '{}': type {} is not known", map.name,
                                          static_cast<std::uint32_t>(map.shape.type)));
            }
            if (map.shape.key_size > spec::kMaxKeyBytes || map.shape.value_size > spec::kMaxValueBytes) {
                return refuse(
                    spec::Rule::BadRequest, 0,
                    fmt::format("map '{}': key of {} and value of {} bytes are larger than {} and {}",
                                map.name, map.shape.key_size, map.shape.value_size, spec::kMaxKeyBytes,
                                spec::kMaxValueBytes));
            }
            const bool has_one_value = map.shape.type == spec::MapType::Array && map.shape.max_entries == 1;
            if (map.is_frozen && !map.contents.empty() &&
                (!has_one_value || map.contents.size() != map.shape.value_size)) {
                return refuse(
                    spec::Rule::BadRequest, 0,
                    fmt::format(
                        "map '{}': contents of {} bytes are not those of a frozen array with one value",
                        map.name, map.contents.size()));
            }
            maps_.push_back({map.shape, map.is_frozen, map.contents});
        }
        if (!std::ranges::is_sorted(request_.lines, {}, &SourceLine::slot)) {
            return refuse(spec::Rule::BadRequest, 0, "source lines do not ascend by instruction");
        }
        program_.maps = maps_;
        program_.memory_length = request_.memory_length;
        program_.is_gpl = request_.is_gpl;
        return true;
    }

    bool decode() {
        auto code = isa::decode(request_.bytecode, request_.groups);
        if (!code) {
            return refuse(spec::Rule::Encoding, code.error().slot, isa::to_error(code.error()).message());
        }
        code_ = *std::move(code);
        program_.code = {code_.data(), code_.size()};
        return true;
    }

    bool build_graph() {
        auto graph = analysis::build_graph(program_.code);
        if (!graph) return refuse(graph.error().rule, graph.error().slot, graph_message(graph.error()));
        graph_ = *std::move(graph);
        return true;
    }

    static std::string graph_message(const analysis::GraphFailure& failure) {
        if (failure.rule == spec::Rule::FallsOff) {
            return "execution would run past the end of the function: the last instruction is neither exit "
                   "nor an "
                   "unconditional jump";
        }
        if (failure.rule == spec::Rule::CodeReference) {
            return fmt::format(
                "the address of instruction {} is taken, where no function of the program can begin",
                static_cast<std::int32_t>(failure.other));
        }
        if (failure.rule == spec::Rule::JumpOut) {
            return fmt::format("the jump to instruction {} leaves the function", failure.other);
        }
        if (failure.rule == spec::Rule::Unreachable) {
            return "no path leads to the instruction";
        }
        if (failure.rule == spec::Rule::Recursion) {
            return fmt::format("the call of the function at instruction {} is recursive", failure.other);
        }
        if (failure.rule == spec::Rule::CallDepth) {
            return fmt::format("the call makes more than {} functions active at once", spec::kMaxCallFrames);
        }
        if (failure.rule == spec::Rule::WorkLimit) {
            return fmt::format("loops are nested deeper than {} in the function", analysis::kMaxLoopNesting);
        }
        return "the program has no instructions";
    }

    analysis::Exploration explore(std::uint32_t max_states) {
        analysis::Options options;
        options.max_states = max_states;
        // Keeping more states than usual apart is the way out of a refusal: no budget stops it but work and
        // memory.
        options.path_budget = max_states > kUsualStates ? 0xffffffff : request_.limits.path_budget;
        options.counts_callbacks = max_states > kUsualStates;
        options.max_instructions = request_.limits.instructions;
        options.max_memory_bytes = request_.limits.memory_bytes;
        options.is_out_of_time = [this] { return Clock::now() > deadline_; };
        std::shared_ptr<Invariants> invariants;
        bool is_recorded = true;
        if (request_.wants_invariants) {
            invariants = std::make_shared<Invariants>();
            invariants->slots.resize(code_.size());
            options.observe = [&](std::uint32_t slot, const check::State& state) {
                is_recorded = record(*invariants, slot, state) == Status::Ok && is_recorded;
            };
        }
        analysis::Exploration result = analysis::explore(program_, graph_, options);
        if (!is_recorded) result.result = analysis::Result::OutOfMemory;
        report_.instructions += result.instructions;
        report_.states += result.states;
        report_.memory_bytes = std::max(report_.memory_bytes, result.peak_memory_bytes);
        report_.invariants = std::move(invariants);
        return result;
    }

    static bool is_limit(analysis::Result result) {
        return result == analysis::Result::OutOfInstructions || result == analysis::Result::OutOfMemory;
    }

    void prove() {
        analysis::Exploration result = explore(kUsualStates);
        if (result.result == analysis::Result::Refused && result.has_joined) {
            analysis::Exploration precise = explore(kManyStates);
            if (!is_limit(precise.result)) result = std::move(precise);
        } else if (is_limit(result.result) && result.most_states > kFewStates) {
            analysis::Exploration coarse = explore(kFewStates);
            if (coarse.result == analysis::Result::Proven) result = std::move(coarse);
        }
        if (result.result == analysis::Result::Proven) {
            accept(result);
        } else {
            reject(result);
        }
    }

    void reject(const analysis::Exploration& result) {
        report_.invariants.reset();
        if (result.result == analysis::Result::Refused) {
            refuse(result.finding.rule, result.slot, message_of(result.finding, program_, request_));
            report_.failures.back().trace = trace_of(result, program_, request_);
            return;
        }
        std::string what = fmt::format("{} instructions were processed", request_.limits.instructions);
        if (result.result == analysis::Result::OutOfMemory) {
            what = fmt::format("states take more than {} bytes", request_.limits.memory_bytes);
        } else if (result.result == analysis::Result::OutOfTime) {
            what = fmt::format("{} ms have passed", request_.limits.time_ns / 1'000'000);
        }
        refuse(spec::Rule::WorkLimit, result.slot, what + " before every path was followed");
    }

    void accept(const analysis::Exploration& result) {
        report_.verdict = Verdict::Accept;
        report_.reachable = result.reachable;
        report_.stack_bytes = result.chain_stack_bytes;
        report_.accesses.reserve(result.accesses.size());
        for (const check::Kind kind : result.accesses) report_.accesses.push_back(access_of(kind));
        for (const analysis::CallTarget& call : result.calls) {
            report_.calls.push_back({call.slot, call.callee.is_helper, call.callee.number});
        }
    }

    static AccessKind access_of(check::Kind kind) {
        switch (kind) {
            case check::Kind::Context:
                return AccessKind::Context;
            case check::Kind::Stack:
                return AccessKind::Stack;
            case check::Kind::Packet:
            case check::Kind::PacketMeta:
                return AccessKind::Packet;
            case check::Kind::MapValue:
                return AccessKind::MapValue;
            case check::Kind::Memory:
                return AccessKind::Memory;
            case check::Kind::Unusable:
            case check::Kind::Scalar:
            case check::Kind::PacketEnd:
            case check::Kind::Map:
            case check::Kind::MapValueOrNull:
            case check::Kind::MapKey:
            case check::Kind::Code:
            case check::Kind::Record:
            case check::Kind::RecordOrNull:
                return AccessKind::None;
        }
        return AccessKind::None;
    }

    const Request& request_;
    Report& report_;
    std::optional<RegisteredRows> registered_;  // the catalogue refers to it
    check::Program program_;
    std::vector<check::MapView> maps_;
    isa::Code code_;
    analysis::Graph graph_;
    Clock::time_point deadline_;
};

}  // namespace

Report verify(const Request& request) {
    Report report;
    try {
        Verification(request, report).run();
    } catch (const std::bad_alloc&) {  // the verdict is the border here: what cannot be finished is refused
        report = Report{};
        report.failures.push_back(
            make_failure(request, spec::Rule::WorkLimit, 0, "the host has no more memory for the verifier"));
    }
    if (report.verdict == Verdict::Reject && report.failures.empty()) {
        report.failures.push_back(make_failure(request, spec::Rule::Internal, 0, "refused without a reason"));
    }
    return report;
}

}  // namespace ebpf::verifier
