// SPDX-License-Identifier: MIT
#include "vectors/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.hpp"
#include "interp/interp.hpp"
#include "interp/run.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "isa/text/decode_text.hpp"
#include "isa/text/disassemble.hpp"
#include "lower/lower.hpp"
#include "vectors/test_host.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::vectors {
namespace {

// Vectors are short; one that runs longer does not end.
constexpr std::size_t kMostSteps = 50'000'000;

struct DestroyImage {
    void operator()(engine::Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<engine::Image, DestroyImage>;

/// Notes which slots of one image are executed.
struct SlotRecorder {
    static constexpr bool kWatches = true;
    const engine::Image* image;
    std::vector<bool> executed;
    std::size_t steps = 0;
    bool before(const interp::Observation& seen) {
        if (&seen.image == image) executed[seen.slot] = true;
        return ++steps < kMostSteps;
    }
};

/// Why a vector failed, or that it has reached its end early, as it expects.
struct Stop {
    bool is_passed = false;
    std::string message;
};
using Step = std::optional<Stop>;

Stop failed(std::string message) {
    return {false, std::move(message)};
}

class Runner {
  public:
    Runner(const Vector& vector, const RunOptions& options) : vector_(vector), options_(options) {}

    Outcome run() {
        const auto& excluded = vector_.excluded_engines;
        if (std::ranges::find(excluded, options_.engine) != excluded.end()) {
            outcome_.is_skipped = true;
            return std::move(outcome_);
        }
        Step stop;
        for (const auto step : {&Runner::encode, &Runner::decode, &Runner::round_trip, &Runner::verify,
                                &Runner::lower, &Runner::make_host, &Runner::execute}) {
            stop = (this->*step)();
            if (stop) break;
        }
        outcome_.is_passed = !stop || stop->is_passed;
        if (stop) outcome_.message = std::move(stop->message);
        if (!outcome_.is_passed) outcome_.forms.clear();
        return std::move(outcome_);
    }

  private:
    /// Compares an error with the expected one.
    Step refused(Status status, std::optional<std::uint32_t> slot, std::string_view field,
                 const std::string& text) {
        if (!vector_.error) return failed(text);
        const ExpectedError& expected = *vector_.error;
        const bool is_expected = expected.status == status_name(status) &&
                                 (!expected.slot || expected.slot == slot) &&
                                 (expected.field.empty() || expected.field == field);
        if (is_expected) return Stop{true, {}};
        return failed(fmt::format("expected error {} {} {}, got {}: {}", expected.status,
                                  expected.slot ? fmt::format("@{}", *expected.slot) : "", expected.field,
                                  status_name(status), text));
    }

    Step encode() {
        auto encoded = vectors::encode(vector_);
        if (!encoded) return refused(encoded.error().status(), {}, "", encoded.error().message());
        bytes_ = std::move(*encoded);
        if (vector_.raw && bytes_ != *vector_.raw) return failed("assembly and raw bytes differ");
        return {};
    }

    Step decode() {
        auto code = isa::decode(bytes_, vector_.groups);
        if (!code && is_for_verifier_to_refuse()) return verify();
        if (!code) {
            const isa::DecodeError& error = code.error();
            return refused(error.status, error.slot, error.field, isa::to_error(error).message());
        }
        code_ = std::move(*code);
        return {};
    }

    Step round_trip() {
        const std::string text = isa::disassemble(std::span(code_.data(), code_.size()));
        const auto again = isa::assemble(text);
        if (!again) return failed("disassembly does not assemble: " + again.error().message());
        if (*again != bytes_) return failed("disassembly assembles to other bytes:\n" + text);
        return {};
    }

    Step verify() {
        if (options_.verify == nullptr) return is_verdict_all() ? Step(Stop{true, {}}) : Step();
        report_ = options_.verify(make_request(vector_, bytes_));
        outcome_.is_accepted = report_.verdict == verifier::Verdict::Accept;
        outcome_.refusal = first_failure(report_);
        if (vector_.verdict) {
            const std::string difference = compare_verdict(*vector_.verdict, report_);
            if (!difference.empty()) return failed(difference);
        }
        return is_verdict_all() ? Step(Stop{true, {}}) : Step();
    }

    // Without a verdict nothing says which accesses are the context's: programs that make any cannot run
    // then.
    Step lower() {
        if (report_.verdict != verifier::Verdict::Accept) return {};
        const auto lowered = lower::lower(code_, vector_.type, report_.accesses);
        if (!lowered) return failed(lowered.error().message());
        return {};
    }

    // The verifier decodes for itself; a vector may expect its refusal of what does not decode.
    bool is_for_verifier_to_refuse() const {
        return vector_.verdict && !vector_.verdict->is_accepted && !vector_.error &&
               options_.verify != nullptr;
    }

    bool is_verdict_all() const { return !vector_.result && !vector_.error; }

    Step make_host() {
        auto host = TestHost::create(vector_.type, vector_.memory, vector_.maps);
        if (!host) return failed(host.error().message());
        host_ = std::move(*host);
        return {};
    }

    Step execute() {
        for (const interp::Dispatch dispatch : {interp::Dispatch::Stepping, interp::Dispatch::Best}) {
            interp::Refusal refusal;
            auto compiled = interp::compile(code_, host_->bindings(), {dispatch, &refusal});
            if (!compiled) {
                if (vector_.error) outcome_.forms.push_back(code_[refusal.slot].form);
                return refused(compiled.error(), refusal.slot, "",
                               fmt::format("instruction {}: {} {}: {}", refusal.slot, refusal.what,
                                           refusal.value, status_text(compiled.error())));
            }
            const OwnedImage image(*compiled);
            if (vector_.error) return failed("compiled, expected error " + vector_.error->status);
            Step stop = dispatch == interp::Dispatch::Stepping ? run_observed(*image) : run_free(*image);
            if (stop) return stop;
            if (dispatch == interp::Dispatch::Stepping && !vector_.maps.empty()) {
                // Maps keep what the first run stored; the second one starts from empty ones too.
                if (const Step fresh = make_host()) return fresh;
            }
        }
        return {};
    }

    Step run_observed(const engine::Image& image) {
        SlotRecorder recorder{&image, std::vector<bool>(code_.size()), 0};
        engine::Invocation invocation = host_->start();
        const std::uint64_t result =
            host_->inside([&] { return interp::run_observed(image, invocation, recorder); });
        if (recorder.steps >= kMostSteps)
            return failed(fmt::format("still running after {} steps", kMostSteps));
        for (std::size_t slot = 0; slot < code_.size(); ++slot) {
            if (recorder.executed[slot]) outcome_.forms.push_back(code_[slot].form);
        }
        return compare(result, "observed");
    }

    Step run_free(const engine::Image& image) {
        engine::Invocation invocation = host_->start();
        return compare(host_->run(image, invocation), "free");
    }

    Step compare(std::uint64_t result, std::string_view how) const {
        if (result != *vector_.result) {
            return failed(fmt::format("{} run: result {:#x}, expected {:#x}", how, result, *vector_.result));
        }
        if (!vector_.output_memory) return {};
        const auto memory = host_->memory();
        if (!std::ranges::equal(memory, *vector_.output_memory)) {
            return failed(fmt::format("{} run: memory is {}, expected {}", how, hex(memory),
                                      hex(*vector_.output_memory)));
        }
        return {};
    }

    static std::string hex(std::span<const std::byte> bytes) {
        std::string text;
        for (const std::byte byte : bytes) text += fmt::format("{:02x} ", static_cast<unsigned>(byte));
        return text;
    }

    const Vector& vector_;
    const RunOptions& options_;
    Outcome outcome_;
    std::vector<std::byte> bytes_;
    isa::Code code_;
    verifier::Report report_;
    std::unique_ptr<TestHost> host_;
};

}  // namespace

Result<std::vector<std::byte>> encode(const Vector& vector) {
    if (!vector.assembly) return *vector.raw;
    return isa::assemble(*vector.assembly);
}

Outcome run_vector(const Vector& vector, const RunOptions& options) {
    return Runner(vector, options).run();
}

}  // namespace ebpf::vectors
