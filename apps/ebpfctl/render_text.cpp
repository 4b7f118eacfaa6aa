// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <array>
#include <ctime>

#include "ebpf/extension.h"
#include "ebpf/hook_provider.h"
#include "render.hpp"
#include "spec/engines.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "spec/xdp_actions.hpp"

namespace ebpf::ctl {
namespace {

constexpr std::uint64_t kNsPerUs = 1000;

std::string hex_bytes(const client::Bytes& bytes) {
    std::string text;
    for (const std::byte byte : bytes)
        text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(byte));
    return text;
}

std::string pin_lines(const std::vector<std::string>& pins) {
    std::string text;
    for (const auto& pin : pins) text += fmt::format("\n\tpinned {}", pin);
    return text;
}

/// Where a link's program runs among others, and how often it has.
std::string place_text(const protocol::LinkDetails& link) {
    std::string text = fmt::format("priority {} position {}", link.priority, link.position);
    if (link.combine == EBPF_COMBINE_CHAIN)
        text += fmt::format(" chain_call_actions {}", fmt::join(action_names(link), ","));
    return text + fmt::format(" run_cnt {} {} {}", link.run_count, ended_name(link), link.ended_count);
}

/// As JSON over several lines, which is how bpftool shows typed values in text.
std::string formatted_text(const Formatted& value, const std::string& indent) {
    const std::string inner = indent + "    ";
    std::string text;
    switch (value.kind) {
        case Formatted::Kind::Null:
            return "null";
        case Formatted::Kind::Signed:
            return fmt::format("{}", value.number);
        case Formatted::Kind::Unsigned:
            return fmt::format("{}", static_cast<std::uint64_t>(value.number));
        case Formatted::Kind::Truth:
            return value.number != 0 ? "true" : "false";
        case Formatted::Kind::Text:
            return fmt::format("\"{}\"", value.text);
        case Formatted::Kind::List:
            for (const auto& member : value.members)
                text += (text.empty() ? "" : ",") + formatted_text(member.value, inner);
            return "[" + text + "]";
        case Formatted::Kind::Object:
            for (const auto& member : value.members) {
                text += fmt::format("{}\n{}\"{}\": {}", text.empty() ? "" : ",", inner, member.name,
                                    formatted_text(member.value, inner));
            }
            return "{" + text + "\n" + indent + "}";
    }
    return text;
}

std::string element_text(const Element& element, const std::string& indent) {
    Formatted object;
    object.kind = Formatted::Kind::Object;
    if (element.formatted_key) object.members.push_back({"key", *element.formatted_key});
    if (element.formatted_value) object.members.push_back({"value", *element.formatted_value});
    return formatted_text(object, indent);
}

bool are_typed(const Elements& elements) {
    if (!elements.has_types) return false;
    for (const auto& element : elements.elements) {
        if (!element.formatted_value) return false;
    }
    return true;
}

struct ToText {
    std::string operator()(const Done&) const { return ""; }
    std::string operator()(const CommandEnded&) const { return ""; }

    static std::string refusal_text(const verifier::Failure& failure) {
        std::string text = fmt::format("  {} {}: instruction {}: {}\n", failure.rule, failure.category,
                                       failure.slot, failure.message);
        if (failure.source.line != 0) {
            text += fmt::format("  {}:{}:{}: {}\n", failure.source.file, failure.source.line,
                                failure.source.column, failure.source.text);
        }
        for (const auto& step : failure.trace) text += fmt::format("    {}\n", step);
        if (!failure.hint.empty()) text += fmt::format("  fix: {}\n", failure.hint);
        return text;
    }

    std::string operator()(const Verification& verification) const {
        std::string text;
        for (const auto& program : verification.programs) {
            const auto& report = program.report;
            const bool is_accepted = report.verdict == verifier::Verdict::Accept;
            text += fmt::format("{} {} (section {}): {} us, {} bytes, {} instructions processed, {} states\n",
                                is_accepted ? "accept" : "reject", program.name, program.section,
                                report.time_ns / kNsPerUs, report.memory_bytes, report.instructions,
                                report.states);
            if (!report.failures.empty()) text += refusal_text(report.failures.front());
        }
        return text;
    }

    std::string operator()(const Programs& programs) const {
        std::string text;
        for (std::size_t i = 0; i < programs.programs.size(); ++i) {
            const auto& program = programs.programs[i];
            text += fmt::format("{}: {}  name {}  tag {}{}", program.id, program.type_name, program.name,
                                tag_text(program.tag), program.is_gpl_compatible != 0 ? "  gpl" : "");
            const std::string jited = program.machine_code_bytes == 0
                                          ? "not jited"
                                          : fmt::format("jited {}B", program.machine_code_bytes);
            text += fmt::format(
                " run_time_ns {} run_cnt {}\n\tloaded_at {}  uid {}\n\txlated {}B  {}  memlock {}B",
                program.run_time_ns, program.run_count, time_text(program.loaded_at), program.creator_uid,
                program.bytecode_bytes, jited, program.memory_bytes);
            std::string maps;
            for (const auto& map : program.maps)
                maps += fmt::format("{}{}", maps.empty() ? "  map_ids " : ",", map.id);
            text += maps + fmt::format("\n\tengine {}", engine_name(program.engine));
            if (program.is_type_gone != 0) text += "\n\tdetached: the extension with its type is not loaded";
            text += pin_lines(programs.pins[i]) + "\n";
        }
        return text;
    }

    std::string operator()(const Listing& listing) const {
        std::string text;
        for (const auto& line : listing.lines) {
            if (!line.subprogram.empty()) text += line.subprogram + ":\n";
            if (line.source) text += fmt::format("; {}\n", *line.source);
            text += fmt::format("{:4}: {}\n", line.slot, line.text);
        }
        return text;
    }

    std::string operator()(const MachineListing& listing) const {
        std::string text;
        for (const auto& line : listing.lines) {
            if (line.origin) {
                if (line.origin->source) text += fmt::format("; {}\n", *line.origin->source);
                text += fmt::format(";{:4}: {}\n", line.origin->slot, line.origin->text);
            }
            std::string bytes;
            for (const std::byte byte : line.bytes)
                bytes += fmt::format("{:02x} ", std::to_integer<unsigned>(byte));
            text += fmt::format("{:#x}:  {:31}{} {}\n", line.address, bytes, line.operation, line.operands);
        }
        return text;
    }

    std::string operator()(const Run& run) const {
        return fmt::format("{}Return value: {}, duration{}: {}ns\n",
                           run.data ? fmt::format("Data:\n{}\n", hex_bytes(*run.data)) : "", run.result,
                           run.repeat > 1 ? " (average)" : "", run.duration_ns);
    }

    std::string operator()(const Maps& maps) const {
        std::string text;
        for (std::size_t i = 0; i < maps.maps.size(); ++i) {
            const auto& map = maps.maps[i];
            text += fmt::format(
                "{}: {}  name {}  flags {:#x}\n\tkey {}B  value {}B  max_entries {}  memlock {}B{}{}\n",
                map.id, map_type_name(map.type), map.name, map.flags, map.key_size, map.value_size,
                map.max_entries, map.memory_bytes, map.is_frozen != 0 ? "\n\tfrozen" : "",
                pin_lines(maps.pins[i]));
        }
        return text;
    }

    std::string operator()(const Elements& elements) const {
        std::string text;
        const bool typed = are_typed(elements);
        for (const auto& element : elements.elements) {
            if (typed && elements.is_list) {
                text += (text.empty() ? "" : ",") + element_text(element, "    ");
            } else if (typed) {
                text += element_text(element, "") + "\n";
            } else {
                text += fmt::format("key: {}  value: {}\n", hex_bytes(element.key), hex_bytes(element.value));
            }
        }
        if (!elements.is_list) return text;
        if (typed) return "[" + text + "\n]\n";
        const std::size_t count = elements.elements.size();
        return text + fmt::format("Found {} element{}\n", count, count == 1 ? "" : "s");
    }

    std::string operator()(const NoElement& missing) const {
        return fmt::format("key:\n{}\n\nNot found\n", hex_bytes(missing.key));
    }

    std::string operator()(const NextKey& next) const {
        return fmt::format("key:\n{}\nnext key:\n{}\n", next.key ? hex_bytes(*next.key) : "None",
                           hex_bytes(next.next));
    }

    std::string operator()(const Records& records) const {
        constexpr std::size_t kBytesInLine = 16;
        std::string text;
        for (const auto& record : records.records) {
            text += fmt::format("== {} bytes =====\n", record.size);
            for (std::size_t at = 0; at < record.data.size(); at += kBytesInLine) {
                const auto end = std::min(at + kBytesInLine, record.data.size());
                text += hex_bytes(client::Bytes(record.data.begin() + static_cast<std::ptrdiff_t>(at),
                                                record.data.begin() + static_cast<std::ptrdiff_t>(end))) +
                        "\n";
            }
        }
        return text;
    }

    std::string operator()(const Links& links) const {
        std::string text;
        for (std::size_t i = 0; i < links.links.size(); ++i) {
            const auto& link = links.links[i];
            text += fmt::format("{}: {}  prog {}", link.id, link.type_name, link.program_id);
            text += fmt::format("\n\thook {}", link.hook);
            if (is_of_tree(link)) {
                text += fmt::format("  tree {}", link.ifindex);
            } else if (is_of_extension(link)) {
                text += fmt::format("  at {}", link.ifindex);
            } else if (link.ifindex != 0) {
                text += fmt::format("  ifindex {}({})", link.interface, link.ifindex);
            }
            if (link.is_attached == 0)
                text += link.is_suspended != 0 ? "  detached: waits for its hook to return" : "  detached";
            text += fmt::format("\n\t{}", place_text(link));
            for (const auto& counter : link.counters)
                text += fmt::format("\n\t{} {}", counter.name, counter.value);
            text += pin_lines(links.pins[i]) + "\n";
        }
        return text;
    }

    std::string operator()(const NetAttachments& net) const {
        std::string text = "xdp:\n";
        for (const auto& link : net.xdp)
            text += fmt::format("{}({}) user id {} link {} {}\n", link.interface, link.ifindex,
                                link.program_id, link.id, place_text(link));
        return text + "\ntc:\n\nflow_dissector:\n\n";
    }

    std::string operator()(const Extensions& extensions) const {
        std::string text;
        for (const auto& extension : extensions.extensions) {
            text += fmt::format("{}: {}\n", extension.name, extension.path);
            for (const auto& type : extension.types) {
                text += fmt::format("\ttype {}  number {:#x}  section {}  context {} {}B", type.info.name,
                                    type.type, type.section, type.info.context, type.info.context_bytes);
                std::string helpers;
                for (const auto& helper : type.info.helpers)
                    helpers += fmt::format("{}{}", helpers.empty() ? "  helpers " : ",", helper.name);
                text += helpers + "\n";
            }
            for (const auto& hook : extension.hooks)
                text += fmt::format("\thook {}  type {}  attach_type {:#x}  combine {}  max_programs {}\n",
                                    hook.name, hook.type_name, hook.attach_type, combine_name(hook.combine),
                                    hook.max_programs);
        }
        return text;
    }

    std::string operator()(const Pins& pins) const {
        std::string text;
        for (const auto& pin : pins.pins) {
            static constexpr std::array kKinds = {"map", "prog", "link"};
            const auto kind = static_cast<std::size_t>(pin.kind);
            text += fmt::format("{}: {} {}\n", pin.path, kind < kKinds.size() ? kKinds[kind] : "?", pin.id);
        }
        return text;
    }

    std::string operator()(const RuleText& rule) const {
        return fmt::format("{} ({}): {}\n{}\nfix: {}\n", rule.id, rule.category, rule.title, rule.explanation,
                           rule.fix);
    }
};

}  // namespace

std::string render_text(const Output& output) {
    return std::visit(ToText{}, output);
}

std::string time_text(std::uint64_t seconds) {
    const auto time = static_cast<std::time_t>(seconds);
    std::array<char, 64> text{};
    const std::tm* local = std::localtime(&time);
    if (local == nullptr || std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", local) == 0)
        return "?";
    return text.data();
}

std::string map_type_name(std::uint32_t type) {
    const auto* row = spec::find_map_type(type);
    return row == nullptr ? "unknown" : row->name;
}

std::vector<std::string> action_names(const protocol::LinkDetails& link) {
    constexpr unsigned kBits = 32;
    const bool is_xdp = link.program_type == static_cast<std::uint32_t>(spec::ProgramType::Xdp);
    std::vector<std::string> names;
    for (unsigned action = 0; action < kBits; ++action) {
        if ((link.actions >> action & 1U) == 0) continue;
        const bool has_name = is_xdp && action < spec::kXdpActions.size();
        names.push_back(has_name ? spec::kXdpActions[action] : fmt::format("{}", action));
    }
    return names;
}

const char* ended_name(const protocol::LinkDetails& link) {
    return link.combine == EBPF_COMBINE_CHAIN ? "ended_cnt" : "denied_cnt";
}

std::string engine_name(std::uint32_t engine) {
    const auto* row = spec::find_engine(engine);
    return row == nullptr ? fmt::format("{}", engine) : row->name;
}

bool is_of_tree(const protocol::LinkDetails& link) {
    const auto type = static_cast<spec::ProgramType>(link.program_type);
    return type == spec::ProgramType::CgroupSockAddr || type == spec::ProgramType::CgroupSock ||
           type == spec::ProgramType::Bind;
}

bool is_of_extension(const protocol::LinkDetails& link) {
    return link.program_type >= EBPF_FIRST_EXTENSION_NUMBER;
}

const char* combine_name(std::uint32_t combine) {
    return combine == EBPF_COMBINE_CHAIN ? "chain" : "all";
}

std::string tag_text(const client::Bytes& tag) {
    std::string text;
    for (const std::byte byte : tag) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    return text;
}

}  // namespace ebpf::ctl
