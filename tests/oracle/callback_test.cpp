// SPDX-License-Identifier: MIT
// Random programs around callbacks, as text: what iterations do to the caller's stack, through numbers,
// pointers and parts of them, must lie inside what the verifier found stable. Many are unsafe; those that are
// accepted are run and watched.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "deadline.hpp"
#include "generator.hpp"
#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "lower/lower.hpp"
#include "observer.hpp"

namespace ebpf::oracle {
namespace {

constexpr std::uint32_t kSlots =
    6;  // 8 bytes each on the program's stack, which callbacks get as their context
constexpr std::uint32_t kMemoryBytes = 32;

class CallbackGenerator {
  public:
    explicit CallbackGenerator(std::uint64_t seed) : random_(seed) {}

    std::string program() {
        add("r6 = r1");
        for (std::uint32_t slot = 0; slot < kSlots; ++slot) fill(slot);
        const bool is_nested = random_.one_in(3);
        const std::uint32_t calls = 1 + random_.below(2);
        for (std::uint32_t i = 0; i < calls; ++i) {
            call("f", random_.one_in(4));
            for (std::uint32_t n = random_.below(3); n > 0; --n) use("r10", -static_cast<int>(8 * kSlots));
        }
        add("r0 = 0");
        add(fmt::format("r0 = *(u64 *)(r10 - {})", 8 * (1 + random_.below(kSlots))));
        add("if r0 == 0 goto done");
        add("r0 = 5");
        add("done: exit");
        callback("f", is_nested);
        if (is_nested) callback("g", false);
        return text_;
    }

  private:
    void add(const std::string& line) { text_ += line + "\n"; }

    std::string label() { return fmt::format("l{}", labels_++); }

    int place() { return static_cast<int>(8 * random_.below(kSlots)); }

    std::int64_t number() {
        constexpr std::int64_t kNumbers[] = {0, 1, 2, 7, 8, 31, 32, 63, 64, 255, 4096, -1, -8, 0x7fffffff};
        return kNumbers[random_.below(std::size(kNumbers))];
    }

    void fill(std::uint32_t slot) {
        const int at = static_cast<int>(8 * (slot + 1));
        switch (random_.below(10)) {
            case 0:
                if (!random_.one_in(3)) break;
                add(fmt::format("*(u64 *)(r10 - {}) = r6", at));
                return;
            case 1:
                if (!random_.one_in(3)) break;
                add("r1 = r10");
                add(fmt::format("r1 += {}", -8 * static_cast<int>(1 + random_.below(kSlots))));
                add(fmt::format("*(u64 *)(r10 - {}) = r1", at));
                return;
            case 2:
                add(fmt::format("r1 = *(u8 *)(r6 + {})", random_.below(kMemoryBytes)));
                add(fmt::format("*(u64 *)(r10 - {}) = r1", at));
                return;
            case 3:
                if (random_.one_in(8)) return;  // not written
                break;
            default:
                break;
        }
        add(fmt::format("*(u64 *)(r10 - {}) = {}", at, number()));
    }

    // In the program r6 is its memory; in a callback it is the context.
    void call(const char* function, bool is_by_register) {
        constexpr std::uint32_t kCounts[] = {0, 1, 2, 3, 10, 63, 64, 65, 500, 3000};
        if (random_.one_in(3)) {
            add(function[0] == 'f' ? fmt::format("r1 = *(u8 *)(r6 + {})", random_.below(kMemoryBytes))
                                   : "r1 = *(u8 *)(r6 + 0)");
        } else {
            const std::uint32_t count = kCounts[random_.below(std::size(kCounts))];
            add(fmt::format("r1 = {}", function[0] == 'f' ? count : count % 7));
        }
        add(fmt::format("r2 = subprog[{}]", function));
        if (function[0] == 'f') {
            add("r3 = r10");
            add(fmt::format("r3 += {}", -8 * static_cast<int>(kSlots)));
        } else {
            add("r3 = r6");
        }
        add("r4 = 0");
        if (is_by_register) {
            add("r7 = 181");
            add("callx r7");
        } else {
            add("call bpf_loop");
        }
    }

    // Uses slots at base + offset; r3 to r5 are free.
    void use(const char* base, int offset) {
        const auto at = [&](int within) { return fmt::format("({} {:+})", base, offset + within); };
        const std::string skip = label();
        add(fmt::format("r3 = *(u64 *){}", at(place())));
        switch (random_.below(9)) {
            case 0:
                add(fmt::format("r3 += {}", number()));
                break;
            case 1:
                add(fmt::format("r3 &= {}", number()));
                break;
            case 2:
                add(fmt::format("r4 = *(u64 *){}", at(place())));
                add(random_.one_in(2) ? "r3 += r4" : "r3 ^= r4");
                break;
            case 3:
                add(fmt::format("if r3 {} {} goto {}", random_.one_in(2) ? ">" : "s>", number(), skip));
                add(fmt::format("r3 {} {}", random_.one_in(2) ? "+=" : "=", 1 + random_.below(3)));
                break;
            case 4:  // a pointer, or more likely not
                if (!random_.one_in(6)) break;
                add("r4 = *(u8 *)(r3 + 0)");
                add("r3 = r4");
                break;
            case 5:  // an index into the slots themselves
                add(fmt::format("if r3 > {} goto {}", 8 * kSlots - 1 + (random_.one_in(6) ? 1 : 0), skip));
                add(fmt::format("r4 = {}", base));
                add("r4 += r3");
                add(fmt::format("*(u8 *)(r4 {:+}) = {}", offset, random_.below(256)));
                break;
            case 6:
                add(fmt::format("*(u{} *){} = {}", 8U << random_.below(3), at(place()), number() & 127));
                break;
            case 7:
                if (!random_.one_in(4)) break;
                add(fmt::format("r4 = {}", base));
                add(fmt::format("r4 += {}", offset + place()));
                add(fmt::format("*(u64 *){} = r4", at(place())));
                break;
            default:
                add(fmt::format("if r3 == {} goto {}", number(), skip));
                add(fmt::format("r3 = *(u64 *){}", at(place())));
        }
        add(fmt::format("*(u64 *){} = r3", at(place())));
        add(skip + ":");
    }

    void callback(const char* function, bool is_nested) {
        const std::string stop = label();
        add(fmt::format("{}:", function));
        add("r6 = r2");
        add("r8 = r1");
        const std::uint32_t statements = 1 + random_.below(4);
        for (std::uint32_t i = 0; i < statements; ++i) {
            use("r6", 0);
            if (random_.one_in(4)) add(fmt::format("*(u64 *)(r6 + {}) = r8", place()));
            if (random_.one_in(4)) {
                add(fmt::format("r3 = *(u64 *)(r6 + {})", place()));
                add(fmt::format("if r3 {} {} goto {}", random_.one_in(2) ? ">" : "==", number(), stop));
            }
            if (is_nested && i == 0) call("g", false);
        }
        add(fmt::format("if r8 > {} goto {}", random_.one_in(4) ? random_.below(70) : 5000, stop));
        add("r0 = 0");
        add("exit");
        add(stop + ":");
        add(random_.one_in(20) ? "r0 = 2" : "r0 = 1");
        add("exit");
    }

    Random random_;
    std::string text_;
    unsigned labels_ = 0;
};

struct Program {
    std::vector<std::byte> bytes;
    std::vector<std::byte> memory;
};

verifier::Request request_of(const Program& program) {
    verifier::Request request;
    request.program_name = "callbacks";
    request.type = spec::ProgramType::Memory;
    request.is_gpl = true;
    request.memory_length = program.memory.size();
    request.bytecode = program.bytes;
    request.wants_invariants = true;
    request.limits.time_ns = 300'000'000;
    return request;
}

// Runs an accepted program, watched and free.
void run(const Program& program, const verifier::Report& report) {
    auto code = isa::decode(program.bytes, spec::kAllGroups);
    ASSERT_TRUE(code);
    const auto lowered = lower::lower(*code, spec::ProgramType::Memory, report);
    ASSERT_TRUE(lowered) << lowered.error().message();
    auto host = vectors::TestHost::create(spec::ProgramType::Memory, program.memory, {});
    ASSERT_TRUE(host) << host.error().message();
    std::uint64_t watched = 0;
    ASSERT_EQ(observe(*code, **host, &report, watched), "");
    auto image = interp::compile(*code, (*host)->bindings());
    ASSERT_TRUE(image);
    engine::Invocation invocation = (*host)->start();
    EXPECT_EQ((*host)->run(**image, invocation), watched);
    (*image)->destroy(*image);
}

TEST(Callbacks, RandomProgramsStayInsideTheirInvariants) {
    const Deadline deadline;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::map<std::string, std::uint64_t> rules;
    for (std::uint64_t seed = 1; deadline.allows(seed); ++seed) {
        const std::string text = CallbackGenerator(seed).program();
        auto bytes = isa::assemble(text);
        ASSERT_TRUE(bytes) << bytes.error().message() << "\n" << text;
        Program program{*std::move(bytes), {}};
        Random random(seed ^ 0x6d656d6f7279);
        for (std::uint32_t i = 0; i < kMemoryBytes; ++i) {
            program.memory.push_back(
                static_cast<std::byte>(random.one_in(2) ? random.below(4) : random.below(256)));
        }
        const verifier::Report report = verifier::verify(request_of(program));
        if (report.verdict != verifier::Verdict::Accept) {
            ASSERT_NE(report.failures.at(0).category, "internal") << "seed " << seed << "\n" << text;
            ++refused;
            ++rules[report.failures[0].rule];
            continue;
        }
        ++accepted;
        run(program, report);
        ASSERT_FALSE(HasFatalFailure() || HasNonfatalFailure()) << "seed " << seed << "\n" << text;
    }
    std::printf("%llu accepted", static_cast<unsigned long long>(accepted));
    for (const auto& [rule, count] : rules) {
        std::printf(", %s %llu", rule.c_str(), static_cast<unsigned long long>(count));
    }
    std::printf("\n");
    EXPECT_GT(accepted * 2, refused);
}

}  // namespace
}  // namespace ebpf::oracle
