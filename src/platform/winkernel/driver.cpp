// SPDX-License-Identifier: MIT
// The driver image's entry. The execution context of a driver comes with the Windows core; until then loading
// it is refused, and the image proves that the kernel set links without a C library.
#include "platform/winkernel/kernel.hpp"

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT /*driver*/, PUNICODE_STRING /*registry_path*/) {
    return STATUS_NOT_SUPPORTED;
}
