// SPDX-License-Identifier: MIT
// ebpfctl prog dump.
#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "base/try.hpp"
#include "client/load_object.hpp"
#include "commands.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "isa/text/disassemble.hpp"
#include "jit/text/disassemble.hpp"
#include "object/object_spec.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;

/// Bytecode with what is known about it, from a file or from the context.
struct Source {
    std::vector<std::byte> bytecode;
    std::vector<verifier::SourceLine> lines;
    std::vector<verifier::Subprogram> subprograms;
    std::vector<std::string> maps;  ///< how to show each map index
};

Result<Source> source_of_file(Client& client, const Selector& file) {
    EBPF_TRY(const auto object, read_object(client, file.text));
    EBPF_TRY(const auto* program, client::find_program(object, file.program));
    auto request = client::verification_request(object, *program, 0);
    Source source{std::move(request.bytecode), std::move(request.lines), std::move(request.subprograms), {}};
    for (const auto& map : request.maps) source.maps.push_back("name:" + map.name);
    return source;
}

Result<Source> source_of_program(Client& client, const Handle& program) {
    EBPF_TRY(auto code, client.code(program));
    Source source{std::move(code.bytecode), std::move(code.lines), std::move(code.subprograms), {}};
    for (const auto& map : code.maps) source.maps.push_back(fmt::format("id:{}", map.id));
    return source;
}

/// Puts a map's id or name where the disassembler writes its index, as bpftool does.
std::string name_maps(std::string text, const std::vector<std::string>& maps) {
    constexpr std::string_view kIndex = "map[idx:";
    const std::size_t at = text.find(kIndex);
    if (at == std::string::npos) return text;
    const std::size_t end = text.find(']', at);
    const std::size_t index = std::strtoul(text.c_str() + at + kIndex.size(), nullptr, 10);
    if (end == std::string::npos || index >= maps.size()) return text;
    return text.replace(at + 4, end - at - 4, maps[index]);
}

Result<Listing> list_source(const Source& source) {
    const auto code = isa::decode(source.bytecode, spec::kAllGroups);
    if (!code) return std::unexpected(isa::to_error(code.error()));
    std::map<std::uint32_t, std::string> subprograms;
    for (const auto& sub : source.subprograms) subprograms[sub.slot] = sub.name;
    std::map<std::uint32_t, std::string> lines;
    for (const auto& line : source.lines) lines[line.slot] = line.text;
    Listing listing;
    for (std::uint32_t slot = 0; slot < code->size(); ++slot) {
        const isa::Instruction& instruction = (*code)[slot];
        if (instruction.spec().family == spec::Family::WideTail) continue;
        ListingLine line;
        line.slot = slot;
        if (const auto sub = subprograms.find(slot); sub != subprograms.end()) line.subprogram = sub->second;
        if (const auto text = lines.find(slot); text != lines.end()) line.source = text->second;
        const std::string whole = isa::listing_line(slot, instruction);
        line.text = name_maps(whole.substr(whole.find('(')), source.maps);
        listing.lines.push_back(std::move(line));
    }
    return listing;
}

/// Machine code, each piece under the instruction that it carries out and the source line of that.
Result<Output> list_machine_code(const protocol::ProgramMachineCodeReply& code, const Source& source) {
    EBPF_TRY(const auto lines, jit::disassemble(code.machine, code.code, code.address));
    EBPF_TRY(const auto bytecode, list_source(source));
    std::map<std::uint32_t, const ListingLine*> by_slot;
    for (const ListingLine& line : bytecode.lines) by_slot[line.slot] = &line;
    MachineListing listing;
    std::size_t next = 0;
    for (const auto& line : lines) {
        MachineLine shown{line.offset, code.address + line.offset, line.bytes, line.operation, line.operands,
                          {}};
        for (; next < code.slots.size() && code.slots[next].offset <= line.offset; ++next) {
            if (const auto found = by_slot.find(code.slots[next].slot); found != by_slot.end())
                shown.origin = *found->second;
        }
        listing.lines.push_back(std::move(shown));
    }
    return listing;
}

Result<Output> dump_jited(const Options& options, const Selector& selector) {
    const auto place = selector.by == Selector::By::File ? Place::InProcess : Place::Daemon;
    EBPF_TRY(const auto backend, open_context(options, place));
    Client client(*backend);
    EBPF_TRY(const auto program, program_for(client, options, selector));
    EBPF_TRY(const auto code, client.machine_code(program));
    EBPF_TRY(const auto source, source_of_program(client, program));
    return list_machine_code(code, source);
}

Result<Output> dump_xlated(const Options& options, const Selector& selector) {
    const auto place = selector.by == Selector::By::File ? Place::InProcess : Place::Daemon;
    EBPF_TRY(const auto backend, open_context(options, place));
    Client client(*backend);
    if (selector.by == Selector::By::File) {
        EBPF_TRY(const auto source, source_of_file(client, selector));
        EBPF_TRY(auto listing, list_source(source));
        return listing;
    }
    EBPF_TRY(const auto program, select_one(client, ObjectKind::Program, selector));
    EBPF_TRY(const auto source, source_of_program(client, program));
    EBPF_TRY(auto listing, list_source(source));
    return listing;
}

}  // namespace

Result<Output> program_dump(const Options& options, Words& words) {
    const bool is_jited = words.accept("jited");
    if (!is_jited) EBPF_TRY_VOID(words.expect("xlated"));
    EBPF_TRY(const auto selector, words.program());
    EBPF_TRY_VOID(words.finish());
    return is_jited ? dump_jited(options, selector) : dump_xlated(options, selector);
}

}  // namespace ebpf::ctl
