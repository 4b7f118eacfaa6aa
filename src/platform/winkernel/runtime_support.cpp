// SPDX-License-Identifier: MIT
// What the compiler may ask of a C++ run time that a driver does not have. Reaching any of it is a bug of
// ours.
#include <cstddef>

#include "platform/winkernel/kernel.hpp"

namespace {

constexpr ULONG kBugCheckCode = 0xE2;  // MANUALLY_INITIATED_CRASH

[[noreturn]] void bug_check(ULONG_PTR reason) {
    KeBugCheckEx(kBugCheckCode, reason, 0, 0, 0);
    __builtin_unreachable();
}

}  // namespace

extern "C" void __cxa_pure_virtual() {
    bug_check(1);
}

// The kernel set allocates through base/allocate.hpp only; virtual destructors still name operator delete.
void operator delete(void* /*memory*/) noexcept {
    bug_check(2);
}
void operator delete(void* /*memory*/, std::size_t /*bytes*/) noexcept {
    bug_check(2);
}
