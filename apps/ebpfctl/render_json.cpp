// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ebpf/hook_provider.h"
#include "render.hpp"

namespace ebpf::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kNsPerUs = 1000;

Json of_bytes(const client::Bytes& bytes) {
    Json list = Json::array();
    for (const std::byte byte : bytes)
        list.push_back(fmt::format("{:#04x}", std::to_integer<unsigned>(byte)));
    return list;
}

Json of_formatted(const Formatted& value) {
    switch (value.kind) {
        case Formatted::Kind::Null:
            return nullptr;
        case Formatted::Kind::Signed:
            return value.number;
        case Formatted::Kind::Unsigned:
            return static_cast<std::uint64_t>(value.number);
        case Formatted::Kind::Truth:
            return value.number != 0;
        case Formatted::Kind::Text:
            return value.text;
        case Formatted::Kind::List: {
            Json list = Json::array();
            for (const auto& member : value.members) list.push_back(of_formatted(member.value));
            return list;
        }
        case Formatted::Kind::Object: {
            Json object = Json::object();
            for (const auto& member : value.members) object[member.name] = of_formatted(member.value);
            return object;
        }
    }
    return nullptr;
}

/// A list, or its only element where one object was named.
Json one_or_list(Json list, bool is_list) {
    if (is_list || list.size() != 1) return list;
    return list.front();
}

Json of_failure(const verifier::Failure& failure) {
    Json json;
    json["category"] = failure.category;
    json["rule"] = failure.rule;
    json["instruction"] = failure.slot;
    if (failure.source.line != 0) {
        json["source"] = {{"file", failure.source.file},
                          {"line", failure.source.line},
                          {"column", failure.source.column},
                          {"text", failure.source.text}};
    } else {
        json["source"] = nullptr;
    }
    json["message"] = failure.message;
    if (!failure.hint.empty()) json["hint"] = failure.hint;
    if (!failure.trace.empty()) json["trace"] = failure.trace;
    return json;
}

/// Where a link's program runs among others, and how often it has.
void add_place(Json& json, const protocol::LinkDetails& link) {
    json["priority"] = link.priority;
    json["position"] = link.position;
    if (link.combine == EBPF_COMBINE_CHAIN) json["chain_call_actions"] = action_names(link);
    json["run_cnt"] = link.run_count;
    json[ended_name(link)] = link.ended_count;
}

const char* place_key(const protocol::LinkDetails& link) {
    if (is_of_tree(link)) return "tree";
    return is_of_extension(link) ? "at" : "ifindex";
}

struct ToJson {
    Json operator()(const Done&) const { return nullptr; }
    Json operator()(const CommandEnded&) const { return nullptr; }

    Json operator()(const Verification& verification) const {
        Json list = Json::array();
        for (const auto& program : verification.programs) {
            const auto& report = program.report;
            Json json;
            json["program"] = program.name;
            json["section"] = program.section;
            json["verdict"] = report.verdict == verifier::Verdict::Accept ? "accept" : "reject";
            json["time_us"] = report.time_ns / kNsPerUs;
            json["memory_bytes"] = report.memory_bytes;
            json["instructions"] = report.instructions;
            json["states"] = report.states;
            if (!report.failures.empty()) json["error"] = of_failure(report.failures.front());
            list.push_back(std::move(json));
        }
        return list;
    }

    Json operator()(const Programs& programs) const {
        Json list = Json::array();
        for (std::size_t i = 0; i < programs.programs.size(); ++i) {
            const auto& program = programs.programs[i];
            Json json;
            json["id"] = program.id;
            json["type"] = program.type_name;
            json["name"] = program.name;
            json["tag"] = tag_text(program.tag);
            json["gpl_compatible"] = program.is_gpl_compatible != 0;
            json["run_time_ns"] = program.run_time_ns;
            json["run_cnt"] = program.run_count;
            json["loaded_at"] = program.loaded_at;
            json["uid"] = program.creator_uid;
            json["bytes_xlated"] = program.bytecode_bytes;
            json["jited"] = program.machine_code_bytes != 0;
            if (program.machine_code_bytes != 0) json["bytes_jited"] = program.machine_code_bytes;
            json["bytes_memlock"] = program.memory_bytes;
            if (!program.maps.empty()) {
                json["map_ids"] = Json::array();
                for (const auto& map : program.maps) json["map_ids"].push_back(map.id);
            }
            json["engine"] = engine_name(program.engine);
            if (program.is_type_gone != 0) json["type_gone"] = true;
            if (!programs.pins[i].empty()) json["pinned"] = programs.pins[i];
            list.push_back(std::move(json));
        }
        return one_or_list(std::move(list), programs.is_list);
    }

    Json operator()(const Listing& listing) const {
        Json list = Json::array();
        for (const auto& line : listing.lines) {
            Json json = Json::object();
            if (!line.subprogram.empty()) json["proto"] = line.subprogram;
            if (line.source) json["src"] = *line.source;
            json["disasm"] = line.text;
            list.push_back(std::move(json));
        }
        return list;
    }

    Json operator()(const MachineListing& listing) const {
        Json list = Json::array();
        for (const auto& line : listing.lines) {
            Json json;
            if (line.origin) {
                if (line.origin->source) json["src"] = *line.origin->source;
                json["slot"] = line.origin->slot;
                json["disasm"] = line.origin->text;
            }
            json["pc"] = fmt::format("{:#x}", line.offset);
            json["address"] = fmt::format("{:#x}", line.address);
            json["opcodes"] = Json::array();
            for (const std::byte byte : line.bytes)
                json["opcodes"].push_back(fmt::format("{:#x}", std::to_integer<unsigned>(byte)));
            json["operation"] = line.operation;
            json["operands"] = line.operands;
            list.push_back(std::move(json));
        }
        return list;
    }

    Json operator()(const Run& run) const {
        Json json;
        if (run.data) json["data_out"] = of_bytes(*run.data);
        json["retval"] = run.result;
        json["duration"] = run.duration_ns;
        return json;
    }

    Json operator()(const Maps& maps) const {
        Json list = Json::array();
        for (std::size_t i = 0; i < maps.maps.size(); ++i) {
            const auto& map = maps.maps[i];
            Json json;
            json["id"] = map.id;
            json["type"] = map_type_name(map.type);
            json["name"] = map.name;
            json["flags"] = map.flags;
            json["bytes_key"] = map.key_size;
            json["bytes_value"] = map.value_size;
            json["max_entries"] = map.max_entries;
            json["bytes_memlock"] = map.memory_bytes;
            json["frozen"] = map.is_frozen;
            if (!maps.pins[i].empty()) json["pinned"] = maps.pins[i];
            list.push_back(std::move(json));
        }
        return one_or_list(std::move(list), maps.is_list);
    }

    Json operator()(const Elements& elements) const {
        Json list = Json::array();
        for (const auto& element : elements.elements) {
            Json json;
            json["key"] = of_bytes(element.key);
            json["value"] = of_bytes(element.value);
            if (element.formatted_value) {
                if (element.formatted_key) json["formatted"]["key"] = of_formatted(*element.formatted_key);
                json["formatted"]["value"] = of_formatted(*element.formatted_value);
            }
            list.push_back(std::move(json));
        }
        return one_or_list(std::move(list), elements.is_list);
    }

    Json operator()(const NoElement&) const { return nullptr; }

    Json operator()(const NextKey& next) const {
        Json json;
        if (next.key) {
            json["key"] = of_bytes(*next.key);
        } else {
            json["key"] = nullptr;
        }
        json["next_key"] = of_bytes(next.next);
        return json;
    }

    Json operator()(const Records& records) const {
        Json list = Json::array();
        for (const auto& record : records.records)
            list.push_back({{"size", record.size}, {"data", of_bytes(record.data)}});
        return list;
    }

    Json operator()(const Links& links) const {
        Json list = Json::array();
        for (std::size_t i = 0; i < links.links.size(); ++i) {
            const auto& link = links.links[i];
            Json json;
            json["id"] = link.id;
            json["type"] = link.type_name;
            json["prog_id"] = link.program_id;
            if (!link.interface.empty()) json["devname"] = link.interface;
            json[place_key(link)] = link.ifindex;
            json["hook"] = link.hook;
            json["attached"] = link.is_attached != 0;
            if (link.is_suspended != 0) json["suspended"] = true;
            add_place(json, link);
            json["counters"] = Json::object();
            for (const auto& counter : link.counters) json["counters"][counter.name] = counter.value;
            if (!links.pins[i].empty()) json["pinned"] = links.pins[i];
            list.push_back(std::move(json));
        }
        return one_or_list(std::move(list), links.is_list);
    }

    Json operator()(const NetAttachments& net) const {
        Json xdp = Json::array();
        for (const auto& link : net.xdp) {
            Json json = {{"devname", link.interface},
                         {"ifindex", link.ifindex},
                         {"mode", "user"},
                         {"id", link.program_id},
                         {"link_id", link.id}};
            add_place(json, link);
            xdp.push_back(std::move(json));
        }
        Json all;
        all["xdp"] = std::move(xdp);
        all["tc"] = Json::array();
        all["flow_dissector"] = Json::array();
        return Json::array({std::move(all)});
    }

    Json operator()(const Extensions& extensions) const {
        Json list = Json::array();
        for (const auto& extension : extensions.extensions) {
            Json json = {{"name", extension.name}, {"path", extension.path}};
            json["types"] = Json::array();
            for (const auto& type : extension.types) {
                Json helpers = Json::array();
                for (const auto& helper : type.info.helpers)
                    helpers.push_back({{"id", helper.id}, {"name", helper.name}});
                json["types"].push_back({{"name", type.info.name},
                                         {"number", type.type},
                                         {"section", type.section},
                                         {"context", type.info.context},
                                         {"context_bytes", type.info.context_bytes},
                                         {"helpers", std::move(helpers)}});
            }
            json["hooks"] = Json::array();
            for (const auto& hook : extension.hooks) {
                json["hooks"].push_back({{"name", hook.name},
                                         {"type", hook.type_name},
                                         {"attach_type", hook.attach_type},
                                         {"combine", combine_name(hook.combine)},
                                         {"max_programs", hook.max_programs}});
            }
            list.push_back(std::move(json));
        }
        return list;
    }

    Json operator()(const Pins& pins) const {
        Json list = Json::array();
        for (const auto& pin : pins.pins) {
            static constexpr const char* kKinds[] = {"map", "prog", "link"};
            const auto kind = static_cast<std::size_t>(pin.kind);
            list.push_back({{"pinned", pin.path},
                            {"kind", kind < std::size(kKinds) ? kKinds[kind] : "?"},
                            {"id", pin.id}});
        }
        return list;
    }

    Json operator()(const RuleText& rule) const {
        return {{"rule", rule.id},
                {"category", rule.category},
                {"title", rule.title},
                {"explanation", rule.explanation},
                {"fix", rule.fix}};
    }
};

std::string dump(const Json& json, bool is_pretty) {
    constexpr int kIndent = 4;
    // Names and source text come from objects that anyone may have made: they need not be UTF-8.
    return json.dump(is_pretty ? kIndent : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string render_json(const Output& output, bool is_pretty) {
    const Json json = std::visit(ToJson{}, output);
    if (!std::holds_alternative<Records>(output)) return dump(json, is_pretty);
    // Readers need not wait for the end, which may never come: one record follows the other.
    std::string text;
    for (const Json& record : json) text += dump(record, is_pretty);
    return text;
}

std::string render_json_error(const std::string& message, bool is_pretty) {
    return dump(Json{{"error", message}}, is_pretty);
}

}  // namespace ebpf::ctl
