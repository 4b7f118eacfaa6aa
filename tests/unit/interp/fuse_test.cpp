// SPDX-License-Identifier: MIT
// Pairs of instructions in one handler do what the two do one by one. Where the compiler cannot promise tail
// calls (debug builds) both images run alike.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

#include "build.hpp"

namespace ebpf::interp {
namespace {

// Programs keep numbers in r6 and r7, and in r8 the address of 32 bytes of the stack, which hold r6, r7, that
// address, and 0.
constexpr std::array<unsigned, 2> kNumbers{6, 7};
constexpr unsigned kAddress = 8;
constexpr std::array<std::uint8_t, 4> kLoads{0x71, 0x69, 0x61, 0x79};   // 1, 2, 4, 8 bytes
constexpr std::array<std::uint8_t, 4> kStores{0x73, 0x6b, 0x63, 0x7b};  // the same
constexpr std::array<std::uint8_t, 11> kJumps{1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd};
constexpr std::array<std::uint8_t, 12> kAlus{0, 1, 2, 3, 4, 5, 6, 7, 9, 0xa, 0xb, 0xc};

class Pairs {
  public:
    explicit Pairs(std::uint64_t seed) : random_(seed) {}

    /// An instruction that puts a number into r6 or r7.
    isa::Slot number() {
        const unsigned dst = pick(kNumbers);
        if (one_in(4)) return slot(pick(kLoads), dst, kAddress, one_in(2) ? 0 : 8, 0);
        const bool is_register = one_in(2);
        const auto opcode = static_cast<std::uint8_t>(static_cast<unsigned>(pick(kAlus)) << 4U |
                                                      (is_register ? 8U : 0U) | (one_in(2) ? 7U : 4U));
        return is_register ? slot(opcode, dst, pick(kNumbers), 0, 0)
                           : slot(opcode, dst, 0, 0, immediate(opcode));
    }
    /// A second instruction or more that use what may have been made.
    std::vector<isa::Slot> use() {
        switch (random_() % 4) {
            case 0:
                return {number()};
            case 1:
                return {slot(pick(kStores), kAddress, pick(kNumbers), 24, 0)};
            case 2:
                return {branch(), add(7, 1000)};
            default:
                return {branch(), slot(kGoto, 0, 0, 1, 0), add(7, 1000)};
        }
    }
    /// Two instructions of which the first makes an address in r6, the second accesses memory there.
    /// Addresses differ from run to run: afterwards r6 holds a number again.
    std::vector<isa::Slot> access() {
        constexpr std::int16_t kAddressAt = 16;
        const isa::Slot makes =
            one_in(2) ? move_register(6, kAddress) : slot(kLoad8, 6, kAddress, kAddressAt, 0);
        const std::int16_t offset = one_in(2) ? 0 : 8;
        if (one_in(3)) return {makes, slot(pick(kStores), 6, 7, 24, 0), move(6, 0)};
        if (one_in(3)) return {makes, slot(pick(kLoads), 6, 6, offset, 0)};
        return {makes, slot(pick(kLoads), 7, 6, offset, 0), move(6, 0)};
    }
    std::uint64_t value() {
        constexpr std::array<std::uint64_t, 6> kEdges{0,         1, ~0ULL, 0x80000000, 0x8000000000000000,
                                                      0xffffffff};
        return one_in(2) ? pick(kEdges) : random_() >> (random_() % 64);
    }
    bool one_in(unsigned n) { return random_() % n == 0; }

  private:
    template <typename T, std::size_t n>
    T pick(const std::array<T, n>& of) {
        return of[random_() % n];
    }
    isa::Slot branch() {
        const bool is_register = one_in(2);
        const auto opcode = static_cast<std::uint8_t>(static_cast<unsigned>(pick(kJumps)) << 4U |
                                                      (is_register ? 8U : 0U) | (one_in(2) ? 5U : 6U));
        const unsigned other = is_register ? pick(kNumbers) : 0;
        return slot(opcode, pick(kNumbers), other, 1, is_register ? 0 : static_cast<std::int32_t>(value()));
    }
    std::int32_t immediate(std::uint8_t opcode) {
        const bool is_shift =
            (opcode & 0xf0U) == 0x60 || (opcode & 0xf0U) == 0x70 || (opcode & 0xf0U) == 0xc0;
        return is_shift ? static_cast<std::int32_t>(random_() % 32) : static_cast<std::int32_t>(value());
    }

    std::mt19937_64 random_;
};

std::vector<isa::Slot> frame(std::uint64_t a, std::uint64_t b, const std::vector<isa::Slot>& middle) {
    std::vector<isa::Slot> slots;
    const auto put_wide = [&](unsigned dst, std::uint64_t value) {
        slots.push_back(slot(kLoadImm64, dst, 0, 0, static_cast<std::int32_t>(value)));
        slots.push_back(slot(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32U)));
    };
    put_wide(6, a);
    put_wide(7, b);
    for (const isa::Slot& one :
         {move_register(kAddress, 10), add(kAddress, -32), slot(kStore8, kAddress, 6, 0, 0),
          slot(kStore8, kAddress, 7, 8, 0), slot(kStore8, kAddress, kAddress, 16, 0), move(0, 0),
          slot(kStore8, kAddress, 0, 24, 0)})
        slots.push_back(one);
    slots.insert(slots.end(), middle.begin(), middle.end());
    // r0 = ((r6 * 3) + r7) * 3 + what was stored
    constexpr std::uint8_t kMultiply = 0x27;
    for (const isa::Slot& one : {move_register(0, 6), slot(kMultiply, 0, 0, 0, 3), slot(kAddReg, 0, 7, 0, 0),
                                 slot(kMultiply, 0, 0, 0, 3), slot(kLoad8, 1, kAddress, 24, 0),
                                 slot(kAddReg, 0, 1, 0, 0), exit_slot()})
        slots.push_back(one);
    return slots;
}

std::uint64_t run(const std::vector<isa::Slot>& slots, Dispatch dispatch) {
    const OwnedImage image = compile_slots(slots, {}, dispatch);
    engine::Invocation invocation;
    return image->run(*image, invocation);
}

TEST(Fuse, PairsDoWhatTheirInstructionsDo) {
    Pairs pairs(20260);
    for (int round = 0; round < 30'000 && !::testing::Test::HasFailure(); ++round) {
        std::vector<isa::Slot> middle;
        if (pairs.one_in(5)) {
            middle = pairs.access();
        } else {
            middle = pairs.use();
            middle.insert(middle.begin(), pairs.number());
        }
        const auto slots = frame(pairs.value(), pairs.value(), middle);
        EXPECT_EQ(run(slots, Dispatch::Best), run(slots, Dispatch::Stepping))
            << "round " << round << ", opcodes " << int{middle[0].opcode} << " and " << int{middle[1].opcode};
    }
}

TEST(Fuse, JumpsReachTheSecondOfAPair) {
    // r0 = 1; r1 = 5; goto second; first: r0 += 100; second: r0 += 10; if r1 == 5 ...
    EXPECT_EQ(
        run({move(0, 1), slot(kGoto, 0, 0, 1, 0), add(0, 100), add(0, 10), exit_slot()}, Dispatch::Best),
        11U);
}

}  // namespace
}  // namespace ebpf::interp
