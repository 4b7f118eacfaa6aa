// SPDX-License-Identifier: MIT
// Builds BTF type by type, for tests that need types no compiler emits.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "btf/types.hpp"
#include "elf_builder.hpp"

namespace ebpf::testing {

struct BtfMember {
    std::string_view name;
    std::uint32_t type = 0;
    std::uint32_t offset = 0;
};

class BtfBuilder {
  public:
    /// Returns the id of the new type. `extra` follows the common part word by word.
    std::uint32_t add(btf::Kind kind, std::string_view name, std::uint32_t count, std::uint32_t size_or_type,
                      std::initializer_list<std::uint32_t> extra = {}) {
        words_.push_back(add_string(name));
        words_.push_back((static_cast<std::uint32_t>(kind) << 24U) | count);
        words_.push_back(size_or_type);
        words_.insert(words_.end(), extra);
        return ++count_;
    }
    std::uint32_t add_int(std::uint32_t bytes) { return add(btf::Kind::Int, "int", 0, bytes, {bytes * 8}); }
    std::uint32_t add_pointer(std::uint32_t type) { return add(btf::Kind::Pointer, "", 0, type); }
    std::uint32_t add_array(std::uint32_t element, std::uint32_t count) {
        return add(btf::Kind::Array, "", 0, 0, {element, element, count});
    }
    std::uint32_t add_struct(std::string_view name, std::uint32_t bytes,
                             std::initializer_list<BtfMember> members) {
        const auto id = add(btf::Kind::Struct, name, static_cast<std::uint32_t>(members.size()), bytes);
        for (const auto& member : members) {
            words_.push_back(add_string(member.name));
            words_.push_back(member.type);
            words_.push_back(member.offset);
        }
        return id;
    }
    /// A pointer to an array of `value` elements: how map definitions write a number.
    std::uint32_t add_number(std::uint32_t value) { return add_pointer(add_array(add_int(4), value)); }
    std::uint32_t add_variable(std::string_view name, std::uint32_t type) {
        return add(btf::Kind::Variable, name, 0, type, {1});
    }
    std::uint32_t add_data_section(std::string_view name, std::initializer_list<std::uint32_t> variables) {
        const auto id = add(btf::Kind::DataSection, name, static_cast<std::uint32_t>(variables.size()), 0);
        for (const auto variable : variables) words_.insert(words_.end(), {variable, 0U, 0U});
        return id;
    }

    /// Returns the offset of `text` in the strings.
    std::uint32_t add_string(std::string_view text) {
        if (text.empty()) return 0;
        const auto offset = static_cast<std::uint32_t>(strings_.size());
        strings_ += text;
        strings_ += '\0';
        return offset;
    }

    [[nodiscard]] Bytes build() const {
        constexpr std::uint32_t kHeaderBytes = 24;
        const auto type_bytes = static_cast<std::uint32_t>(words_.size() * sizeof(std::uint32_t));
        Bytes bytes;
        append(bytes, std::uint32_t{0x0001eb9f});  // magic, version 1, flags 0
        for (const std::uint32_t word :
             {kHeaderBytes, 0U, type_bytes, type_bytes, static_cast<std::uint32_t>(strings_.size())}) {
            append(bytes, word);
        }
        for (const std::uint32_t word : words_) append(bytes, word);
        const Bytes text = bytes_of(strings_);
        bytes.insert(bytes.end(), text.begin(), text.end());
        return bytes;
    }

  private:
    std::vector<std::uint32_t> words_;
    std::string strings_ = std::string(1, '\0');
    std::uint32_t count_ = 0;
};

}  // namespace ebpf::testing
