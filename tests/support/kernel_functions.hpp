// SPDX-License-Identifier: MIT
// What the kernel wants to be told of functions whose address is taken: a type for each, in BTF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ebpf::support {

/// BTF with one static function for each function of a program, and which is which.
struct FunctionTypes {
    struct Record {
        std::uint32_t slot;
        std::uint32_t type;
    };
    std::vector<std::byte> btf;
    std::vector<Record> records;  ///< as bpf_attr::func_info; empty: the program takes no function's address
};

/// Describes the functions of `bytecode`, which begin at the targets of local calls and of addresses of code.
FunctionTypes function_types(std::span<const std::byte> bytecode);

}  // namespace ebpf::support
