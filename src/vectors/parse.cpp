// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/try.hpp"
#include "spec/groups.hpp"
#include "vectors/vector.hpp"

namespace ebpf::vectors {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> result;
    constexpr std::string_view kSeparators = " \t\r\n";
    for (std::size_t begin = text.find_first_not_of(kSeparators); begin != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(kSeparators, begin), text.size());
        result.push_back(text.substr(begin, end - begin));
        begin = text.find_first_not_of(kSeparators, end);
    }
    return result;
}

/// A section: its header line and the lines below it.
struct Section {
    std::size_t line = 0;
    std::string_view header;  ///< without "--"
    std::string content;      ///< what follows on the header line once the name is known, then the lines
};

struct Malformed {
    std::size_t line;
    std::string what;
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
    const bool is_negative = text.starts_with('-');
    if (is_negative) text.remove_prefix(1);
    const bool is_hex = text.starts_with("0x");
    if (is_hex) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, is_hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return is_negative ? std::uint64_t{0} - value : value;
}

std::string without_comments(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        result += line.substr(0, line.find('#'));
        result += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return result;
}

class Parser {
  public:
    Parser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

    Result<std::vector<Vector>> parse() {
        start_vector({}, 1);
        EBPF_TRY(const std::vector<Section> sections, split());
        for (const Section& section : sections) EBPF_TRY_VOID(apply(section));
        EBPF_TRY_VOID(finish_vector());
        return std::move(vectors_);
    }

  private:
    std::unexpected<Error> refuse(std::size_t line, Status status, const std::string& what) const {
        return fail(status, fmt::format("{}:{}: {}", file_, line, what));
    }

    Result<std::vector<Section>> split() const {
        std::vector<Section> sections;
        std::size_t number = 0;
        std::string_view rest = text_;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const std::string_view line = trim(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            ++number;
            if (line.starts_with("-- ")) {
                sections.push_back({number, trim(line.substr(2)), {}});
            } else if (!sections.empty()) {
                sections.back().content += std::string(line) + "\n";
            } else if (!line.empty() && !line.starts_with('#')) {
                return refuse(number, Status::Malformed,
                              fmt::format("text before the first section: '{}'", line));
            }
        }
        return sections;
    }

    void start_vector(std::string_view name, std::size_t line) {
        current_ = Vector{};
        current_.file = file_;
        current_.name = name;
        current_.line = line;
        is_touched_ = false;
    }

    Result<void> finish_vector() {
        if (!is_touched_) return {};
        if (!current_.assembly && !current_.raw)
            return refuse(current_.line, Status::Malformed, "no program");
        if (!current_.result && !current_.error && !current_.verdict) {
            return refuse(current_.line, Status::Malformed, "no result, error or verdict is expected");
        }
        vectors_.push_back(std::move(current_));
        return {};
    }

    using Reader = Result<void> (Parser::*)(const Section&, const std::string&);
    struct Row {
        std::string_view name;
        Reader reader;
    };

    // Names are matched whole; what follows a name on its line belongs to the content.
    Result<void> apply(const Section& section) {
        static constexpr std::array kRows{Row{"asm", &Parser::read_assembly},
                                          Row{"raw", &Parser::read_raw},
                                          Row{"mem", &Parser::read_memory},
                                          Row{"result", &Parser::read_result},
                                          Row{"error", &Parser::read_error},
                                          Row{"no register offset", &Parser::skip},
                                          Row{"c", &Parser::skip},
                                          Row{"type", &Parser::read_type},
                                          Row{"attach", &Parser::read_attach_type},
                                          Row{"maps", &Parser::read_maps},
                                          Row{"groups", &Parser::read_groups},
                                          Row{"verify", &Parser::read_verdict},
                                          Row{"output-mem", &Parser::read_output_memory},
                                          Row{"map-data", &Parser::read_map_data},
                                          Row{"output-map", &Parser::read_output_map},
                                          Row{"target", &Parser::read_target},
                                          Row{"engines", &Parser::read_engines},
                                          Row{"licence", &Parser::read_licence}};
        const std::string_view header = section.header;
        if (header.starts_with("case ")) {
            EBPF_TRY_VOID(finish_vector());
            start_vector(trim(header.substr(5)), section.line);
            return {};
        }
        for (const Row& row : kRows) {
            const bool is_row = header.starts_with(row.name) &&
                                (header.size() == row.name.size() || header[row.name.size()] == ' ');
            if (!is_row) continue;
            is_touched_ = true;
            const std::string content =
                std::string(trim(header.substr(row.name.size()))) + "\n" + section.content;
            return (this->*row.reader)(section, content);
        }
        return refuse(section.line, Status::NotSupported, fmt::format("unknown section '{}'", header));
    }

    Result<void> skip(const Section&, const std::string&) { return {}; }

    Result<void> read_assembly(const Section&, const std::string& content) {
        current_.assembly = content;
        return {};
    }

    Result<std::vector<std::byte>> hex_bytes(const Section& section, const std::string& content) const {
        std::vector<std::byte> bytes;
        const std::string text = without_comments(content);
        for (const std::string_view word : words(text)) {
            const auto value = parse_number("0x" + std::string(word));
            if (!value || word.size() != 2) {
                return refuse(section.line, Status::Malformed,
                              fmt::format("'{}' is not a byte in hexadecimal", word));
            }
            bytes.push_back(static_cast<std::byte>(*value));
        }
        return bytes;
    }

    Result<void> read_memory(const Section& section, const std::string& content) {
        EBPF_TRY(current_.memory, hex_bytes(section, content));
        return {};
    }

    Result<void> read_output_memory(const Section& section, const std::string& content) {
        EBPF_TRY(current_.output_memory, hex_bytes(section, content));
        return {};
    }

    Result<std::uint64_t> number(const Section& section, std::string_view word) const {
        const auto value = parse_number(word);
        if (!value) return refuse(section.line, Status::Malformed, fmt::format("'{}' is not a number", word));
        return *value;
    }

    Result<void> read_raw(const Section& section, const std::string& content) {
        std::vector<std::byte> bytes;
        const std::string text = without_comments(content);
        for (const std::string_view word : words(text)) {
            EBPF_TRY(const std::uint64_t slot, number(section, word));
            for (unsigned i = 0; i < spec::kSlotBytes; ++i)
                bytes.push_back(static_cast<std::byte>(slot >> (8U * i)));
        }
        current_.raw = std::move(bytes);
        return {};
    }

    Result<void> read_result(const Section& section, const std::string& content) {
        const std::string text = without_comments(content);
        const auto all = words(text);
        if (all.size() != 1) return refuse(section.line, Status::Malformed, "a result is one number");
        EBPF_TRY(current_.result, number(section, all[0]));
        return {};
    }

    Result<std::optional<std::uint32_t>> slot_word(const Section& section, std::string_view word) const {
        if (!word.starts_with('@')) return std::optional<std::uint32_t>{};
        EBPF_TRY(const std::uint64_t slot, number(section, word.substr(1)));
        return std::optional<std::uint32_t>(static_cast<std::uint32_t>(slot));
    }

    Result<void> read_error(const Section& section, const std::string& content) {
        const std::string text = without_comments(content);
        ExpectedError expected;
        for (const std::string_view word : words(text)) {
            EBPF_TRY(const auto slot, slot_word(section, word));
            if (slot) {
                expected.slot = slot;
            } else if (expected.status.empty()) {
                expected.status = word;
            } else {
                expected.field = word;
            }
        }
        if (expected.status.empty()) return refuse(section.line, Status::Malformed, "an error has a name");
        current_.error = std::move(expected);
        return {};
    }

    Result<void> read_verdict(const Section& section, const std::string& content) {
        const std::string text = without_comments(content);
        const auto all = words(text);
        if (all.empty() || (all[0] != "accept" && all[0] != "reject")) {
            return refuse(section.line, Status::Malformed, "a verdict is accept or reject");
        }
        ExpectedVerdict expected;
        expected.is_accepted = all[0] == "accept";
        for (std::size_t i = 1; i < all.size(); ++i) {
            EBPF_TRY(const auto slot, slot_word(section, all[i]));
            if (slot) {
                expected.slot = slot;
            } else {
                expected.rule = all[i];
            }
        }
        current_.verdict = std::move(expected);
        return {};
    }

    Result<void> read_type(const Section& section, const std::string& content) {
        const std::string_view name = trim(std::string_view(content).substr(0, content.find('\n')));
        const spec::ProgramTypeSpec* type = spec::find_program_type(name);
        if (type == nullptr) {
            return refuse(section.line, Status::NotSupported, fmt::format("unknown program type '{}'", name));
        }
        current_.type = type->type;
        return {};
    }

    Result<void> read_attach_type(const Section& section, const std::string& content) {
        const std::string_view name = trim(std::string_view(content).substr(0, content.find('\n')));
        const spec::AttachTypeSpec* row = spec::find_attach_type(name);
        if (row == nullptr) {
            return refuse(section.line, Status::NotSupported, fmt::format("unknown attach type '{}'", name));
        }
        current_.attach_type = static_cast<std::uint32_t>(row->type);
        return {};
    }

    Result<void> read_licence(const Section& section, const std::string& content) {
        const auto all = words(content);
        if (all.size() != 1) return refuse(section.line, Status::Malformed, "a licence is one word");
        current_.is_gpl = all[0] == "GPL";
        return {};
    }

    Result<void> read_maps(const Section& section, const std::string& content) {
        std::string_view rest = content;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            const std::string line = without_comments(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            const auto all = words(line);
            if (all.empty()) continue;
            if (all.size() < 4 || all.size() > 5) {
                return refuse(section.line, Status::Malformed, "a map is TYPE KEY VALUE ENTRIES [FLAGS]");
            }
            EBPF_TRY(const spec::MapShape shape, map_shape(section, all));
            current_.maps.push_back(shape);
        }
        return {};
    }

    Result<void> read_map_data(const Section& section, const std::string& content) {
        EBPF_TRY(auto data, map_data(section, content));
        current_.map_data.push_back(std::move(data));
        return {};
    }

    Result<void> read_output_map(const Section& section, const std::string& content) {
        EBPF_TRY(auto data, map_data(section, content));
        current_.output_maps.push_back(std::move(data));
        return {};
    }

    Result<MapData> map_data(const Section& section, const std::string& content) const {
        const std::string text = without_comments(content);
        const auto all = words(text);
        if (all.empty() || all.size() % 2 == 0) {
            return refuse(section.line, Status::Malformed,
                          "contents are MAP and then KEY VALUE for each element");
        }
        MapData data;
        EBPF_TRY(data.map, map_index(section, all[0]));
        for (std::size_t i = 1; i < all.size(); i += 2) {
            MapElement element;
            EBPF_TRY(element.key, hex_word(section, all[i]));
            EBPF_TRY(element.value, hex_word(section, all[i + 1]));
            const spec::MapShape& shape = current_.maps[data.map];
            // A ring buffer's records have any length, and their numbers stand for keys.
            const bool is_ring = shape.type == spec::MapType::RingBuffer;
            const bool is_sized =
                is_ring ? element.key.size() == sizeof(std::uint32_t)
                        : element.key.size() == shape.key_size && element.value.size() == shape.value_size;
            if (!is_sized) {
                return refuse(section.line, Status::Malformed,
                              fmt::format("element {} of map {} has {} bytes of key and {} of value", i / 2,
                                          data.map, element.key.size(), element.value.size()));
            }
            data.elements.push_back(std::move(element));
        }
        return data;
    }

    Result<std::uint32_t> map_index(const Section& section, std::string_view word) const {
        EBPF_TRY(const std::uint64_t index, number(section, word));
        if (index < current_.maps.size()) return static_cast<std::uint32_t>(index);
        return refuse(section.line, Status::Malformed,
                      fmt::format("map {} is not among the {} maps before", index, current_.maps.size()));
    }

    Result<std::vector<std::byte>> hex_word(const Section& section, std::string_view word) const {
        std::vector<std::byte> bytes;
        for (std::size_t i = 0; i < word.size(); i += 2) {
            const auto value = parse_number("0x" + std::string(word.substr(i, 2)));
            if (!value || word.size() % 2 != 0) {
                return refuse(section.line, Status::Malformed,
                              fmt::format("'{}' is not bytes in hexadecimal", word));
            }
            bytes.push_back(static_cast<std::byte>(*value));
        }
        return bytes;
    }

    Result<void> read_target(const Section& section, const std::string& content) {
        const std::size_t line_end = content.find('\n');
        const auto all = words(std::string_view(content).substr(0, line_end));
        if (all.size() != 2) return refuse(section.line, Status::Malformed, "a target is MAP INDEX");
        TailProgram target;
        EBPF_TRY(target.map, map_index(section, all[0]));
        EBPF_TRY(const std::uint64_t index, number(section, all[1]));
        const spec::MapShape& shape = current_.maps[target.map];
        if (shape.type != spec::MapType::ProgArray || index >= shape.max_entries) {
            return refuse(section.line, Status::Malformed,
                          fmt::format("map {} has no program number {}", target.map, index));
        }
        target.index = static_cast<std::uint32_t>(index);
        target.assembly = content.substr(line_end);
        current_.targets.push_back(std::move(target));
        return {};
    }

    Result<spec::MapShape> map_shape(const Section& section, const std::vector<std::string_view>& all) const {
        spec::MapShape shape;
        bool is_known = false;
        for (const spec::MapTypeSpec& row : spec::map_types()) {
            if (all[0] != row.name) continue;
            shape.type = row.type;
            is_known = true;
        }
        if (!is_known) {
            return refuse(section.line, Status::NotSupported, fmt::format("unknown map type '{}'", all[0]));
        }
        std::uint32_t* const fields[] = {&shape.key_size, &shape.value_size, &shape.max_entries,
                                         &shape.flags};
        for (std::size_t i = 1; i < all.size(); ++i) {
            EBPF_TRY(const std::uint64_t value, number(section, all[i]));
            *fields[i - 1] = static_cast<std::uint32_t>(value);
        }
        return shape;
    }

    Result<void> read_groups(const Section& section, const std::string& content) {
        current_.groups = spec::GroupSet{}.with(spec::Group::Base32);
        for (const std::string_view word : words(content)) {
            const spec::GroupSpec* group = spec::find_group(word);
            if (group == nullptr)
                return refuse(section.line, Status::NotSupported, fmt::format("unknown group '{}'", word));
            current_.groups = current_.groups.with(group->group);
        }
        return {};
    }

    Result<void> read_engines(const Section& section, const std::string& content) {
        for (const std::string_view word : words(content)) {
            if (!word.starts_with('-')) {
                return refuse(section.line, Status::Malformed,
                              fmt::format("'{}': engines are excluded, -NAME", word));
            }
            current_.excluded_engines.emplace_back(word.substr(1));
        }
        return {};
    }

    std::string_view text_;
    std::string file_;
    std::vector<Vector> vectors_;
    Vector current_;
    bool is_touched_ = false;
};

}  // namespace

bool excludes(const Vector& vector, std::string_view engine) {
    return std::ranges::any_of(vector.excluded_engines, [engine](const std::string& name) {
        return engine.starts_with(name) && (engine.size() == name.size() || engine[name.size()] == '-');
    });
}

Result<std::vector<Vector>> parse_vectors(std::string_view text, std::string_view file) {
    return Parser(text, file).parse();
}

}  // namespace ebpf::vectors
