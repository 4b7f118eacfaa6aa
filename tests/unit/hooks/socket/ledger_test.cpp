// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/ledger.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace ebpf::hooks::socket {
namespace {

constexpr auto kNoneIsOver = [](std::uint64_t) { return false; };

std::vector<std::uint64_t> swept(const Ledger& ledger) {
    std::vector<std::uint64_t> calls;
    ledger.sweep([&calls](std::uint64_t call) { calls.push_back(call); });
    return calls;
}

bool contains(const std::vector<std::uint64_t>& calls, std::uint64_t call) {
    return std::ranges::find(calls, call) != calls.end();
}

TEST(Ledger, TellsTheOtherSideWhatIsUnderWay) {
    const auto ours = Ledger::create();
    ASSERT_TRUE(ours);
    EXPECT_TRUE(swept(*ours).empty());
    {
        const auto theirs = Ledger::open(ours->number());
        ASSERT_TRUE(theirs) << theirs.error().message();
        for (std::uint64_t call = 1000; call < 1100; ++call) theirs->note(call, kNoneIsOver);
        for (std::uint64_t call = 1000; call < 1100; ++call) {
            if (call % 10 != 0) theirs->strike(call);
        }
    }
    const auto calls = swept(*ours);
    for (std::uint64_t call = 1000; call < 1100; ++call)
        EXPECT_EQ(contains(calls, call), call % 10 == 0) << call;
    EXPECT_TRUE(contains(calls, 1100)) << "one that was received and not noted yet";
    EXPECT_FALSE(contains(swept(*ours), 1000)) << "it was swept";
}

TEST(Ledger, TakesThePlaceOfCallsThatAreOver) {
    const auto ledger = Ledger::create();
    ASSERT_TRUE(ledger);
    for (std::uint64_t call = 1; call <= LedgerPage::kSlots; ++call) ledger->note(call, kNoneIsOver);
    ledger->note(5000, [](std::uint64_t) { return true; });
    EXPECT_TRUE(contains(swept(*ledger), 5000));
}

TEST(Ledger, HasNoRoomForever) {
    const auto ledger = Ledger::create();
    ASSERT_TRUE(ledger);
    for (std::uint64_t call = 1; call <= LedgerPage::kSlots; ++call) ledger->note(call, kNoneIsOver);
    ledger->note(900'000, kNoneIsOver);
    ledger->strike(900'000);  // was not noted
    EXPECT_TRUE(contains(swept(*ledger), 1));
}

TEST(Ledger, RefusesWhatIsNone) {
    const int plain = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    EXPECT_FALSE(Ledger::open(plain)) << "empty, not sealed";
    ASSERT_EQ(ftruncate(plain, sizeof(LedgerPage)), 0);
    EXPECT_FALSE(Ledger::open(plain)) << "could become shorter";
    ASSERT_EQ(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_TRUE(Ledger::open(plain));
    close(plain);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    EXPECT_FALSE(Ledger::open(null));
    close(null);
    EXPECT_FALSE(Ledger::open(-1));
}

}  // namespace
}  // namespace ebpf::hooks::socket
