// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/proc.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace ebpf::hooks::socket::proc {

std::string_view line(std::string_view status, std::string_view name) {
    const std::size_t at = status.find(fmt::format("\n{}:\t", name));
    if (at == std::string_view::npos) return {};
    status.remove_prefix(at + name.size() + 3);
    return status.substr(0, status.find('\n'));
}

std::string_view field(std::string_view status, std::string_view name) {
    const std::string_view all = line(status, name);
    return all.substr(0, all.find('\t'));
}

bool is_same_file(const std::string& first, const std::string& second) {
    struct stat one{};
    struct stat other{};
    if (stat(first.c_str(), &one) != 0 || stat(second.c_str(), &other) != 0) return false;
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace ebpf::hooks::socket::proc
