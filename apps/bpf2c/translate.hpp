// SPDX-License-Identifier: MIT
// From an object file to C or a library, without saying how that is shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "native/build.hpp"
#include "results.hpp"

namespace ebpf::bpf2c {

struct Order {
    std::string file;        ///< FILE.o or FILE.o:PROGRAM
    std::string c_path;      ///< empty: none
    std::string image_path;  ///< empty: none
    native::BuildOptions build;
    std::uint64_t memory_length = 0;
    void (*progress)(std::string_view text) = nullptr;
};

/// A program of the image.
struct Translated {
    std::string name;
    std::string section;
    std::string tag;
    std::string hash;
    std::size_t instructions = 0;
};

struct Outcome {
    ctl::Verification refused;  ///< not empty: the verifier refused one of them
    std::vector<Translated> programs;
    std::string c;
};

/// Verifies and translates. Files are written only if every program was accepted.
/// Errors: those of reading, native::generate(), native::build() and writing.
Result<Outcome> translate(const Order& order);

}  // namespace ebpf::bpf2c
