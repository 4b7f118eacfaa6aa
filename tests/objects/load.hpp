// SPDX-License-Identifier: MIT
// Reads the objects that the build compiled for tests. Without a clang there are none, and tests skip.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace ebpf::testing {

/// Returns the bytes of `path`; empty if there is no such file.
inline std::vector<std::byte> load_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<std::byte> bytes(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) bytes[i] = static_cast<std::byte>(text[i]);
    return bytes;
}

}  // namespace ebpf::testing

// Declares `name` with the contents of `path`, or skips the test where the build had no clang.
#define EBPF_LOAD_OR_SKIP(name, path)                                               \
    const auto name = ::ebpf::testing::load_file(path);                             \
    if (name.empty() && !EBPF_HAS_BPF_CLANG) GTEST_SKIP() << "built without clang"; \
    ASSERT_FALSE(name.empty()) << (path)
