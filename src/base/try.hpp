// SPDX-License-Identifier: MIT
// EBPF_TRY: the only control-flow macro of the project.
#pragma once

#include <expected>
#include <utility>

#define EBPF_TRY_JOIN_IMPL(a, b) a##b
#define EBPF_TRY_JOIN(a, b) EBPF_TRY_JOIN_IMPL(a, b)
#define EBPF_TRY_IMPL(name, target, expression)                 \
    auto name = (expression);                                   \
    if (!name) return std::unexpected(std::move(name).error()); \
    target = *std::move(name)

/// `EBPF_TRY(auto x, f());` declares x from f's value or returns f's error from the calling function.
#define EBPF_TRY(target, expression) EBPF_TRY_IMPL(EBPF_TRY_JOIN(try_result_, __LINE__), target, expression)

/// `EBPF_TRY_VOID(f());` returns f's error from the calling function; for Result<void>.
#define EBPF_TRY_VOID(expression)                                  \
    do {                                                           \
        if (auto try_result = (expression); !try_result)           \
            return std::unexpected(std::move(try_result).error()); \
    } while (false)
