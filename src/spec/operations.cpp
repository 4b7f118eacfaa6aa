// SPDX-License-Identifier: MIT
#include "spec/operations.hpp"

#include <array>

namespace ebpf::spec {
namespace {

constexpr auto kOperations = std::to_array<OperationSpec>({
#define EBPF_OPERATION(name, number, pace, text, request, reply) {Operation::name, #name, Pace::pace, text},
#include "spec/operations.def"
#undef EBPF_OPERATION
});

consteval bool is_ascending() {
    for (std::size_t i = 1; i < kOperations.size(); ++i) {
        if (kOperations[i - 1].operation >= kOperations[i].operation) return false;
    }
    return true;
}
static_assert(is_ascending(), "rows of operations.def are in the order of their numbers, each used once");

}  // namespace

std::span<const OperationSpec> operations() noexcept {
    return kOperations;
}

const OperationSpec* find_operation(std::uint32_t number) noexcept {
    for (const auto& row : kOperations) {
        if (static_cast<std::uint32_t>(row.operation) == number) return &row;
    }
    return nullptr;
}

}  // namespace ebpf::spec
