// SPDX-License-Identifier: MIT
// Machine code in memory: relocations, running, refusals, protection.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "engine/machine_code.hpp"
#include "host_code.hpp"
#include "platform/executable.hpp"
#include "platform/pages.hpp"

namespace ebpf::engine {
namespace {

struct DestroyImage {
    void operator()(Image* image) const { image->destroy(image); }
};
using OwnedImage = std::unique_ptr<Image, DestroyImage>;

std::uint64_t helper(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                     Invocation&) noexcept {
    return 0;
}
void* lookup(std::uint64_t, const void*) noexcept {
    return nullptr;
}

template <typename Function>
std::uint64_t address_of(Function* function) {
    return reinterpret_cast<std::uintptr_t>(function);
}

class Placing : public testing::Test {
  protected:
    Placing() {
        maps_[1].handle = 0x1122334455667788;
        maps_[1].value_address = 0x99aabbccddee0000;
        maps_[1].lookup = lookup;
        helpers_[0] = {.id = 7, .function = nullptr, .is_tail_call = false};
        helpers_[1] = {.id = 7, .function = helper, .is_tail_call = false};
    }

    StatusOr<Image*> place_with(const Relocation& relocation) {
        const Relocation relocations[] = {relocation};
        return place({.code = return_field_code(), .relocations = relocations},
                     {.maps = maps_, .helpers = helpers_});
    }
    std::uint64_t value_of(RelocationKind kind, std::uint32_t index, std::uint64_t addend = 0) {
        const auto image = place_with({kFieldOffset, kind, index, addend});
        if (!image) {
            ADD_FAILURE() << status_name(image.error());
            return 0;
        }
        const OwnedImage owner(*image);
        Invocation invocation;
        return run(*owner, invocation);
    }
    Status refusal_of(RelocationKind kind, std::uint32_t index, std::uint32_t offset = kFieldOffset) {
        const auto image = place_with({offset, kind, index, 0});
        if (!image) return image.error();
        (*image)->destroy(*image);
        return Status::Ok;
    }

    MapBinding maps_[2];
    HelperBinding helpers_[2];
};

TEST_F(Placing, FillsInEveryKind) {
    EXPECT_EQ(value_of(RelocationKind::MapHandle, 1), maps_[1].handle);
    EXPECT_EQ(value_of(RelocationKind::MapValue, 1, 24), maps_[1].value_address + 24);
    EXPECT_EQ(value_of(RelocationKind::MapLookup, 1), address_of(lookup));
    EXPECT_EQ(value_of(RelocationKind::Helper, 7), address_of(helper));
    EXPECT_EQ(value_of(RelocationKind::PacketBytes, 0), address_of(packet_bytes));
}

TEST_F(Placing, LetsHelpersCallFunctionsOfTheCode) {
    const auto image = place_with({kFieldOffset, RelocationKind::Function, 1, 1});
    ASSERT_TRUE(image);
    const OwnedImage owner(*image);
    Invocation invocation;
    EXPECT_EQ(run(*owner, invocation), address_of(owner->code.data()) + 1);
    ASSERT_NE(invocation.call_back, nullptr);
    // The code's start is a function like any other.
    EXPECT_EQ(invocation.call_back(invocation, address_of(owner->code.data()), 1, 2, 3, 4),
              address_of(owner->code.data()) + 1);
}

TEST_F(Placing, RefusesWhatIsNotBound) {
    EXPECT_EQ(refusal_of(RelocationKind::MapHandle, 2), Status::NotFound);
    EXPECT_EQ(refusal_of(RelocationKind::MapValue, 0), Status::NotFound);
    EXPECT_EQ(refusal_of(RelocationKind::MapLookup, 0), Status::NotFound);
    EXPECT_EQ(refusal_of(RelocationKind::Helper, 8), Status::NotFound);
}

TEST_F(Placing, RefusesWhatIsMalformed) {
    const auto last = static_cast<std::uint32_t>(sizeof kReturnField - 8);
    EXPECT_EQ(refusal_of(RelocationKind::MapHandle, 1, last), Status::Ok);
    EXPECT_EQ(refusal_of(RelocationKind::MapHandle, 1, last + 1), Status::Malformed);
    EXPECT_EQ(refusal_of(RelocationKind::MapHandle, 1, 0xffffffff), Status::Malformed);
    EXPECT_EQ(refusal_of(static_cast<RelocationKind>(99), 1), Status::Malformed);
    EXPECT_FALSE(place_with({kFieldOffset, RelocationKind::Function, 1, sizeof kReturnField}));
    const std::byte few[4] = {};
    const Relocation relocation[] = {{0, RelocationKind::PacketBytes, 0, 0}};
    EXPECT_EQ(place({.code = few, .relocations = relocation}, {}).error(), Status::Malformed);
    EXPECT_EQ(place({}, {}).error(), Status::InvalidArgument);
}

TEST_F(Placing, TellsWhatItPlaced) {
    const auto image = place_with({kFieldOffset, RelocationKind::MapHandle, 1, 0});
    ASSERT_TRUE(image);
    const OwnedImage owner(*image);
    EXPECT_EQ(owner->kind, EngineKind::Jit);
    EXPECT_EQ(owner->code.size(), sizeof kReturnField);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(owner->code.data()) % platform::kPageBytes, 0U);
    EXPECT_GT(owner->bytes, platform::kPageBytes);
    EXPECT_EQ(owner->code[0], return_field_code()[0]);
    // The rest of the page traps.
    const std::byte trap = owner->code.data()[owner->code.size()];
    for (std::size_t i = owner->code.size(); i < platform::kPageBytes; ++i) {
        ASSERT_EQ(owner->code.data()[i], trap) << i;
    }
}

// What the host says about the pages of an address, as in /proc/self/maps; empty where it does not say.
std::string protection_of(std::uintptr_t address) {
    std::FILE* file = std::fopen("/proc/self/maps", "r");
    if (file == nullptr) return {};
    char line[512];
    std::string found;
    while (std::fgets(line, sizeof line, file) != nullptr) {
        unsigned long long begin = 0;
        unsigned long long end = 0;
        char access[8] = {};
        if (std::sscanf(line, "%llx-%llx %7s", &begin, &end, access) != 3) continue;
        if (address >= begin && address < end) found = access;
    }
    std::fclose(file);
    return found;
}

TEST_F(Placing, NeverAllowsWritingAndExecuting) {
    auto memory = platform::allocate_executable(platform::kPageBytes + 1);
    ASSERT_TRUE(memory);
    const std::size_t bytes = platform::executable_bytes(platform::kPageBytes + 1);
    EXPECT_EQ(bytes, 2 * platform::kPageBytes);
    const auto start = reinterpret_cast<std::uintptr_t>(*memory);
    (*memory)[bytes - 1] = std::byte{1};
    const std::string written = protection_of(start);
    const std::string before = protection_of(start - 1);
    const std::string behind = protection_of(start + bytes);
    ASSERT_EQ(platform::seal_executable(*memory, platform::kPageBytes + 1), Status::Ok);
    const std::string sealed = protection_of(start);
    const std::string sealed_end = protection_of(start + bytes - 1);
    platform::release_executable(*memory, platform::kPageBytes + 1);
    if (written.empty()) GTEST_SKIP() << "no /proc/self/maps here";
    EXPECT_EQ(written, "rw-p");
    EXPECT_EQ(before, "---p");
    EXPECT_EQ(behind, "---p");
    EXPECT_EQ(sealed, "r-xp");
    EXPECT_EQ(sealed_end, "r-xp");
    EXPECT_EQ(protection_of(start), "");
}

#if defined(__linux__) && defined(__x86_64__)
TEST_F(Placing, PutsCodeWithinShortReachOfTheProcess) {
    for (int i = 0; i < 20; ++i) {
        auto memory = platform::allocate_executable(1);
        ASSERT_TRUE(memory);
        const auto here = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(&protection_of));
        const auto there = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(*memory));
        platform::release_executable(*memory, 1);
        EXPECT_LT(here - there, std::int64_t{1} << 31);
        EXPECT_GT(here - there, 0);
    }
}
#endif

TEST_F(Placing, RefusesAbsurdSizes) {
    EXPECT_EQ(platform::executable_bytes(static_cast<std::size_t>(-1)), 0U);
    EXPECT_EQ(platform::allocate_executable(static_cast<std::size_t>(-1)).error(), Status::OutOfMemory);
    EXPECT_EQ(platform::allocate_executable(static_cast<std::size_t>(-1) / 2).error(), Status::OutOfMemory);
}

}  // namespace
}  // namespace ebpf::engine
