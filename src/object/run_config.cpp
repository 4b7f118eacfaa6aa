// SPDX-License-Identifier: MIT
// Section .xdp_run_config: for XDP program f a variable _f, whose type says where f runs among the programs
// of an interface. Source: libxdp's xdp/xdp_helpers.h (XDP_RUN_CONFIG) and lib/libxdp/protocol.org.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/try.hpp"
#include "object/source.hpp"
#include "spec/xdp_actions.hpp"

namespace ebpf::object {
namespace {

constexpr std::string_view kSection = ".xdp_run_config";
constexpr std::uint32_t kDefaultActions = 1U << spec::kXdpPass;

Result<void> apply(std::string_view name, std::uint32_t value, ProgramSpec& program) {
    if (name == "priority") {
        program.run_priority = value;
        return {};
    }
    const auto* const action = std::ranges::find(spec::kXdpActions, name);
    if (action == spec::kXdpActions.end())
        return fail(Status::NotSupported, "is neither 'priority' nor an action such as XDP_PASS");
    const std::uint32_t bit = 1U << static_cast<unsigned>(action - spec::kXdpActions.begin());
    const std::uint32_t others = program.chain_actions.value_or(kDefaultActions) & ~bit;
    program.chain_actions = others | (value != 0 ? bit : 0);
    return {};
}

Result<void> read_config(const btf::Types& types, std::uint32_t type_id, ProgramSpec& program) {
    EBPF_TRY(const btf::Type type, types.resolve(type_id));
    if (type.kind != btf::Kind::Struct) {
        return fail(Status::Malformed, fmt::format("its type {} is of kind {}, not a struct", type.id,
                                                   static_cast<unsigned>(type.kind)));
    }
    for (std::uint32_t i = 0; i < type.count; ++i) {
        const btf::Member member = types.member_of(type, i);
        const auto in_member = [&](Error error) {
            return std::unexpected(std::move(error).in(fmt::format("member '{}'", member.name)));
        };
        const auto value = read_number(types, member);
        if (!value) return in_member(value.error());
        if (auto applied = apply(member.name, *value, program); !applied)
            return in_member(std::move(applied).error());
    }
    return {};
}

}  // namespace

Result<void> read_run_configs(const Source& source, std::vector<ProgramSpec>& programs) {
    if (!source.types) return {};
    const btf::Type section = source.types->find_data_section(kSection);
    if (section.kind != btf::Kind::DataSection) return {};
    for (std::uint32_t i = 0; i < section.count; ++i) {
        EBPF_TRY(const btf::Type variable, source.types->at(btf::Types::variable_of(section, i).type));
        const std::string_view name = source.types->name_of(variable);
        const std::string where = fmt::format("section '{}': '{}'", kSection, name);
        if (variable.kind != btf::Kind::Variable || !name.starts_with('_'))
            return fail(Status::Malformed, where + " is no variable of the form _PROGRAM");
        const auto program = std::ranges::find(programs, name.substr(1), &ProgramSpec::name);
        if (program == programs.end() || program->type != spec::ProgramType::Xdp)
            return fail(Status::Malformed, where + ": there is no XDP program of this name");
        if (auto read = read_config(*source.types, variable.target, *program); !read)
            return std::unexpected(std::move(read).error().in(where));
    }
    return {};
}

}  // namespace ebpf::object
