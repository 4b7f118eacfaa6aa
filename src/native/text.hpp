// SPDX-License-Identifier: MIT
// Names and texts of a program as C may hold them. They come from object files, which anybody may have made.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace ebpf::native {

/// Returns `text` as a C string literal with its quotes. Everything but plain ASCII is escaped.
std::string c_string(std::string_view text);

/// Returns `text` fit to stand between "/*" and "*/" on one line: plain ASCII, cut to a line's length.
std::string c_comment(std::string_view text);

/// Hands out identifiers.
class Names {
  public:
    /// Returns `prefix` and what of `wanted` an identifier may hold, with a number behind it if that was
    /// handed out before. `prefix` must begin an identifier that C and native_operations.h do not use.
    std::string take(std::string_view prefix, std::string_view wanted);

  private:
    std::set<std::string> taken_;
};

}  // namespace ebpf::native
