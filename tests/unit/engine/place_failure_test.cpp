// SPDX-License-Identifier: MIT
// What place() gives back when the host refuses memory or its execution.
#include <gtest/gtest.h>

#include "engine/machine_code.hpp"
#include "host_code.hpp"
#include "platform/fake/fake.hpp"

namespace ebpf::engine {
namespace {

const MachineCode kCode{.code = return_field_code(), .relocations = {}};

TEST(PlaceFailure, LeavesNothingWhenMemoryIsShort) {
    const auto before = platform::fake::usage();
    std::uint64_t failures = 0;
    for (;;) {
        platform::fake::fail_allocation(failures + 1);
        const auto image = place(kCode, {});
        if (image) {
            (*image)->destroy(*image);
            break;
        }
        EXPECT_EQ(image.error(), Status::OutOfMemory);
        EXPECT_EQ(platform::fake::usage(), before);
        ++failures;
    }
    platform::fake::fail_allocation(0);
    EXPECT_EQ(failures, 2U) << "the code's pages and the image";
    EXPECT_EQ(platform::fake::usage(), before);
}

TEST(PlaceFailure, LeavesNothingWhenExecutionIsForbidden) {
    const auto before = platform::fake::usage();
    platform::fake::fail_executable(true);
    EXPECT_EQ(place(kCode, {}).error(), Status::NoPermission);
    EXPECT_EQ(platform::fake::usage(), before);
    platform::fake::fail_executable(false);
    const auto image = place(kCode, {});
    ASSERT_TRUE(image);
    EXPECT_TRUE(platform::fake::is_sealed((*image)->code.data()));
    (*image)->destroy(*image);
    EXPECT_EQ(platform::fake::usage(), before);
}

}  // namespace
}  // namespace ebpf::engine
