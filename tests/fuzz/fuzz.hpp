// SPDX-License-Identifier: MIT
// What a fuzz target gives: libFuzzer's entry, and seeds for the deterministic smoke run that needs no
// libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace ebpf::fuzz {

/// Makes an input of this target from the bytes of an ELF object. Defined by each target.
std::vector<std::uint8_t> make_seed(std::span<const std::byte> object);

/// Ends the run when an oracle of the target does not hold.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

}  // namespace ebpf::fuzz
