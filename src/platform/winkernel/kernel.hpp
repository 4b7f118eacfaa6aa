// SPDX-License-Identifier: MIT
// Windows' kernel headers, made usable from C++ with mingw-w64 10.
#pragma once

#include <ntdef.h>
// after ntdef.h, whose types it needs
#include <intrin.h>
// wdm.h declares these again without gnu_inline, which C++ refuses.
#define InterlockedBitTestAndSet ebpf_wdm_InterlockedBitTestAndSet
#define InterlockedBitTestAndReset ebpf_wdm_InterlockedBitTestAndReset
extern "C" {
#include <ntddk.h>
}
#undef InterlockedBitTestAndSet
#undef InterlockedBitTestAndReset
#undef min
#undef max
