// SPDX-License-Identifier: MIT
// bpftool's keyword arguments: "id 3", "pinned PATH", "key hex 0a 0b". The options are CLI11's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ebpf::ctl {

/// How an object is named on the command line.
struct Selector {
    enum class By : std::uint8_t { Id, Name, Tag, Pin, File };
    By by = By::Id;
    std::uint32_t id = 0;
    std::string text;     ///< name, tag, path of the pin or file
    std::string program;  ///< File: what follows the colon; may be empty
};

/// Reads words from left to right. Every error has status InvalidArgument and names the word.
class Words {
  public:
    explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}

    [[nodiscard]] bool is_at_end() const { return position_ == words_.size(); }
    /// Consumes `keyword` if it comes next.
    bool accept(std::string_view keyword);
    /// Consumes `keyword`, which must come next.
    Result<void> expect(std::string_view keyword);
    /// Consumes a word; `what` names it in the error.
    Result<std::string> word(std::string_view what);
    /// Consumes an unsigned number, decimal or 0x, of at most `max`.
    Result<std::uint64_t> number(std::string_view what, std::uint64_t max);
    /// Consumes PROG := id N | name NAME | tag TAG | pinned PATH | FILE[:PROGRAM]
    Result<Selector> program();
    /// Consumes MAP or LINK := id N | name NAME | pinned PATH
    Result<Selector> object(std::string_view what);
    /// Consumes all that is left: MAP, LINK or PROG as object() reads it, or nothing.
    Result<std::optional<Selector>> last_object(std::string_view what);
    /// Consumes DATA := [hex] BYTE... : exactly `size` bytes.
    Result<std::vector<std::byte>> data(std::string_view what, std::size_t size);
    /// Errors: also if words are left.
    Result<void> finish() const;

  private:
    [[nodiscard]] std::string_view peek() const;

    std::vector<std::string> words_;
    std::size_t position_ = 0;
};

}  // namespace ebpf::ctl
