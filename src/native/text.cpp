// SPDX-License-Identifier: MIT
#include "native/text.hpp"

#include <fmt/format.h>

namespace ebpf::native {
namespace {

constexpr std::size_t kLongestComment = 160;
constexpr std::size_t kLongestName = 48;

bool is_plain(char letter) {
    return letter >= ' ' && letter <= '~';
}

bool may_name(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_';
}

}  // namespace

std::string c_string(std::string_view text) {
    std::string literal = "\"";
    for (const char letter : text) {
        // '?' could begin a trigraph. Three octal digits end an escape whatever follows.
        const bool is_safe = is_plain(letter) && letter != '"' && letter != '\\' && letter != '?';
        literal += is_safe
                       ? std::string(1, letter)
                       : fmt::format("\\{:03o}", static_cast<unsigned>(static_cast<unsigned char>(letter)));
    }
    return literal + '"';
}

std::string c_comment(std::string_view text) {
    std::string comment;
    for (const char letter : text.substr(0, kLongestComment)) {
        const char previous = comment.empty() ? ' ' : comment.back();
        // Neither the end nor the beginning of a comment.
        const bool is_border = (previous == '*' && letter == '/') || (previous == '/' && letter == '*');
        if (is_border) comment += ' ';
        comment += is_plain(letter) ? letter : '.';
    }
    return comment + (text.size() > kLongestComment ? " ..." : "");
}

std::string Names::take(std::string_view prefix, std::string_view wanted) {
    std::string name(prefix);
    for (const char letter : wanted.substr(0, kLongestName)) name += may_name(letter) ? letter : '_';
    const std::string base = name;
    for (unsigned number = 2; !taken_.insert(name).second; ++number)
        name = fmt::format("{}_{}", base, number);
    return name;
}

}  // namespace ebpf::native
