// SPDX-License-Identifier: MIT
// What files of /proc tell. Source: proc_pid_status(5), namespaces(7).
#pragma once

#include <charconv>
#include <string>
#include <string_view>

namespace ebpf::hooks::socket::proc {

/// Returns what stands behind "NAME:\t" in a status file; empty if there is no such line.
std::string_view line(std::string_view status, std::string_view name);
/// Returns the first word of that line.
std::string_view field(std::string_view status, std::string_view name);

/// Returns the number that `text` starts with, or 0.
template <typename T>
T number(std::string_view text, int base = 10) {
    T value = 0;
    static_cast<void>(std::from_chars(text.data(), text.data() + text.size(), value, base));
    return value;
}

/// Whether both paths name one file (as a namespace is one); false if one cannot be looked at.
bool is_same_file(const std::string& first, const std::string& second);

}  // namespace ebpf::hooks::socket::proc
