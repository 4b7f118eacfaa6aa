// SPDX-License-Identifier: MIT
#include "words.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/try.hpp"

namespace ebpf::ctl {
namespace {

constexpr int kDecimal = 10;
constexpr int kHexadecimal = 16;
constexpr std::uint64_t kMaxByte = 0xff;

std::unexpected<Error> usage(std::string message) {
    return fail(Status::InvalidArgument, std::move(message));
}

std::optional<std::uint64_t> parse(std::string_view word, int base) {
    if (word.starts_with("0x") || word.starts_with("0X")) {
        word.remove_prefix(2);
        base = kHexadecimal;
    }
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    if (code != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
}

}  // namespace

std::string_view Words::peek() const {
    return is_at_end() ? std::string_view{} : std::string_view(words_[position_]);
}

bool Words::accept(std::string_view keyword) {
    if (peek() != keyword) return false;
    ++position_;
    return true;
}

Result<void> Words::expect(std::string_view keyword) {
    if (accept(keyword)) return {};
    return usage(is_at_end() ? fmt::format("'{}' is missing", keyword)
                             : fmt::format("expected '{}', got '{}'", keyword, peek()));
}

Result<std::string> Words::word(std::string_view what) {
    if (is_at_end()) return usage(fmt::format("{} is missing", what));
    return words_[position_++];
}

Result<std::uint64_t> Words::number(std::string_view what, std::uint64_t max) {
    EBPF_TRY(const auto text, word(what));
    const auto value = parse(text, kDecimal);
    if (!value || *value > max) return usage(fmt::format("{}: '{}' is no number up to {}", what, text, max));
    return *value;
}

Result<Selector> Words::object(std::string_view what) {
    Selector selector;
    if (accept("id")) {
        constexpr std::uint64_t kMaxId = 0xffffffff;
        EBPF_TRY(const auto id, number(fmt::format("{} id", what), kMaxId));
        selector.id = static_cast<std::uint32_t>(id);
        return selector;
    }
    if (accept("name")) {
        selector.by = Selector::By::Name;
    } else if (accept("tag")) {
        selector.by = Selector::By::Tag;
    } else if (accept("pinned")) {
        selector.by = Selector::By::Pin;
    } else if (is_at_end()) {
        return usage(fmt::format("{} is missing: id N, name NAME or pinned PATH", what));
    } else {
        return usage(fmt::format("expected id, name or pinned for the {}, got '{}'", what, peek()));
    }
    EBPF_TRY(selector.text, word(what));
    return selector;
}

Result<Selector> Words::program() {
    if (is_at_end())
        return usage("program is missing: FILE.o[:PROGRAM], id N, name NAME, tag TAG or pinned PATH");
    for (const std::string_view keyword : {"id", "name", "tag", "pinned"}) {
        if (peek() == keyword) return object("program");
    }
    Selector selector;
    selector.by = Selector::By::File;
    EBPF_TRY(selector.text, word("program"));
    const std::size_t colon = selector.text.rfind(':');
    if (colon != std::string::npos && selector.text.find_first_of("/\\", colon) == std::string::npos) {
        selector.program = selector.text.substr(colon + 1);
        selector.text.resize(colon);
    }
    return selector;
}

Result<std::optional<Selector>> Words::last_object(std::string_view what) {
    if (is_at_end()) return std::nullopt;
    EBPF_TRY(auto selector, object(what));
    EBPF_TRY_VOID(finish());
    return selector;
}

Result<std::vector<std::byte>> Words::data(std::string_view what, std::size_t size) {
    const int base = accept("hex") ? kHexadecimal : kDecimal;
    std::vector<std::byte> bytes;
    while (bytes.size() < size) {
        if (is_at_end())
            return usage(fmt::format("{}: {} bytes are needed, got {}", what, size, bytes.size()));
        const auto value = parse(peek(), base);
        if (!value || *value > kMaxByte) {
            return usage(fmt::format("{}: {} bytes are needed, got {} and then '{}'", what, size,
                                     bytes.size(), peek()));
        }
        bytes.push_back(static_cast<std::byte>(*value));
        ++position_;
    }
    return bytes;
}

Result<void> Words::finish() const {
    if (is_at_end()) return {};
    return usage(fmt::format("unexpected '{}'", peek()));
}

}  // namespace ebpf::ctl
