// SPDX-License-Identifier: MIT
#include "service/load.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "helpers/helpers.hpp"
#include "isa/decode.hpp"
#include "isa/text/decode_text.hpp"
#include "lower/lower.hpp"
#include "maps/map.hpp"
#include "object/object_spec.hpp"
#include "platform/hash.hpp"
#include "service/compile.hpp"
#include "service/move_up.hpp"
#include "service/native_image.hpp"

namespace ebpf::service {
namespace {

using runtime::MapObject;
using runtime::Ref;

using Maps = std::vector<Ref<MapObject>>;

/// A program on its way, with what it refers to.
struct Offer {
    const protocol::ProgramLoadRequest& message;
    Maps maps;
    ProgramTypeRef registered;  ///< nullptr: its type is in the tables
};

/// What the verdict may rely on about a map. Contents count only if neither requests nor programs can change
/// them.
Result<verifier::MapInfo> describe_map(MapObject& map) {
    verifier::MapInfo info;
    info.name = map.name();
    info.shape = map.shape();
    const bool is_read_only = (info.shape.flags & spec::kMapReadOnlyProgram) != 0;
    if (!map.is_frozen() || !is_read_only || info.shape.type != spec::MapType::Array) return info;
    info.is_frozen = true;
    if (info.shape.max_entries != 1) return info;
    info.contents.resize(info.shape.value_size);
    const std::uint32_t first = 0;
    if (const Status status = map.read(&first, info.contents.data()); status != Status::Ok)
        return fail_with(status, fmt::format("map {} '{}': reading frozen contents", map.id(), map.name()));
    return info;
}

/// Step `bind`: the request that the verdict will be tied to.
Result<verifier::Request> bind_request(const Call& call, const Offer& offer) {
    const protocol::ProgramLoadRequest& message = offer.message;
    verifier::Request request;
    request.program_name = message.name;
    request.type = static_cast<spec::ProgramType>(message.type);
    if (offer.registered) request.registered = {offer.registered->info};
    request.groups = call.service.groups();
    request.attach_type = message.attach_type;
    request.is_gpl = object::is_gpl_compatible(message.licence);
    request.memory_length = message.memory_length;
    request.bytecode = message.bytecode;
    request.lines = message.lines;
    request.subprograms = message.subprograms;
    for (const auto& map : offer.maps) {
        EBPF_TRY(auto info, describe_map(*map));
        request.maps.push_back(std::move(info));
    }
    return request;
}

std::span<const engine::HelperBinding> helpers_of(const Offer& offer) {
    return offer.registered ? std::span(offer.registered->helpers) : helpers::bindings();
}

/// Step `lower`.
Result<void> lower_to_host(isa::Code& code, const verifier::Request& request,
                           const verifier::Report& report) {
    if (request.registered.empty()) return lower::lower(code, request.type, report);
    const verifier::RegisteredRows rows(request.registered.front(), request.type);
    return lower::lower(code, request.type, report, rows.catalogue());
}

std::vector<engine::MapBinding> bindings_of(const Maps& maps) {
    std::vector<engine::MapBinding> bindings;
    for (const auto& map : maps) bindings.push_back(map->binding());
    return bindings;
}

struct Made {
    Compiled compiled;
    std::optional<Climber> climber;  ///< without its program yet
};

/// Steps `lower` and `compile`.
Result<Made> make_image(Call& call, const verifier::Request& request, const verifier::Report& report,
                        const Offer& offer) {
    auto code = isa::decode(request.bytecode, request.groups);
    if (!code) return std::unexpected(isa::to_error(code.error()));
    EBPF_TRY_VOID(lower_to_host(*code, request, report));
    auto bindings = bindings_of(offer.maps);
    CompileInput input{.code = *code,
                       .accesses = report.accesses,
                       .bindings = {bindings, helpers_of(offer)},
                       .engine = static_cast<spec::Engine>(offer.message.engine),
                       .policy = call.service.code_policy()};
    const bool is_climber = starts_on_interpreter(input) && has_way_up(call.service);
    if (is_climber) input.engine = spec::Engine::Interpreter;
    EBPF_TRY(auto compiled, compile(input));
    Made made{std::move(compiled), {}};
    if (is_climber)
        made.climber = Climber{{}, *std::move(code), report.accesses, std::move(bindings), helpers_of(offer)};
    return made;
}

/// Where among others a program wants to run.
runtime::ChainPlace place_of(const protocol::ProgramLoadRequest& message) {
    runtime::ChainPlace place;
    if (!message.priority.empty()) place.priority = message.priority.front().value;
    if (!message.actions.empty()) place.actions = message.actions.front().value;
    return place;
}

/// What programs of a registered type call stays as long as they do.
runtime::Dependency dependency_on(const ProgramTypeRef& type) {
    if (!type) return {};
    return {new ProgramTypeRef(type), [](void* held) noexcept { delete static_cast<ProgramTypeRef*>(held); }};
}

/// Step `publish`.
Result<Ref<runtime::ProgramObject>> publish(Call& call, const verifier::Request& request, Compiled compiled,
                                            const Offer& offer) {
    runtime::ProgramDefinition definition;
    definition.name = request.program_name.c_str();
    definition.type = request.type;
    definition.attach_type = request.attach_type;
    definition.maps = offer.maps;
    definition.bytecode = request.bytecode;
    const auto tag = protocol::program_tag(request.bytecode);
    static_assert(sizeof(tag) == sizeof(definition.tag));
    std::memcpy(definition.tag, tag.data(), sizeof(definition.tag));
    definition.memory_length = request.memory_length;
    definition.place = place_of(offer.message);
    definition.is_gpl_compatible = request.is_gpl;
    definition.creator_uid = call.caller.uid;
    definition.dependency = dependency_on(offer.registered);
    definition.image = compiled.image.release();
    auto program = call.context().add_program(definition);
    if (!program) return fail_with(program.error(), "publishing");
    call.service.sweep_notes();
    call.service.notes().add_program((*program)->id(),
                                     {request.lines, request.subprograms, std::move(compiled.note)});
    return *std::move(program);
}

/// The same for a program whose code comes with it.
Result<Loaded> load_with_image(Call& call, const verifier::Request& request, const Offer& offer) {
    if (!request.registered.empty()) {
        return fail(Status::NotSupported,
                    fmt::format("engine native: programs of type '{}', which a provider has "
                                "registered, cannot be native images yet",
                                request.registered.front().name));
    }
    const auto bindings = bindings_of(offer.maps);
    EBPF_TRY(auto native, load_native(call, request, offer.message.image, {bindings, helpers::bindings()}));
    if (native.report.verdict != verifier::Verdict::Accept) return Loaded{std::move(native.report), {}};
    EBPF_TRY(auto program, publish(call, request, {std::move(native.image), {}}, offer));
    return Loaded{std::move(native.report), std::move(program)};
}

Result<Loaded> load_bound(Call& call, const Offer& offer) {
    EBPF_TRY(const auto request, bind_request(call, offer));
    const auto engine = static_cast<spec::Engine>(offer.message.engine);
    if (engine == spec::Engine::Native) return load_with_image(call, request, offer);
    if (!offer.message.image.empty())
        return fail(Status::InvalidArgument, "an image is for engine native only");
    EBPF_TRY(auto report, verify_checked(call.service.verifier(), request));
    if (report.verdict != verifier::Verdict::Accept) return Loaded{std::move(report), {}};
    EBPF_TRY(auto made, make_image(call, request, report, offer));
    EBPF_TRY(auto program, publish(call, request, std::move(made.compiled), offer));
    if (made.climber) {
        made.climber->program = program;
        move_up_later(call.service, *std::move(made.climber));
    }
    return Loaded{std::move(report), std::move(program)};
}

}  // namespace

Result<verifier::Report> verify_checked(VerifierRunner& runner, const verifier::Request& request) {
    EBPF_TRY(auto answer, runner.run(request));
    EBPF_TRY(const auto hash, protocol::request_hash(request));
    verifier::Report& report = answer.report;
    if (report.verdict != verifier::Verdict::Accept) return std::move(report);
    if (answer.request != hash) return fail(Status::Internal, "the verifier answered another request");
    const std::size_t slots = request.bytecode.size() / spec::kSlotBytes;
    if (!report.failures.empty() || report.accesses.size() != slots || report.reachable.size() != slots)
        return fail(Status::Internal, "the verifier's report contradicts itself");
    return std::move(report);
}

Result<Loaded> load_program(Call& call, const protocol::ProgramLoadRequest& message) {
    Offer offer{message, {}, call.service.program_types().find(message.type)};
    if (spec::find_program_type(message.type) == nullptr && !offer.registered)
        return fail(Status::NotSupported,
                    fmt::format("program '{}': type {} is unknown", message.name, message.type));
    if (spec::find_engine(message.engine) == nullptr)
        return fail(Status::NotSupported,
                    fmt::format("program '{}': engine {} is unknown", message.name, message.engine));
    for (const protocol::HandleIndex index : message.maps) {
        EBPF_TRY(auto map, call.object_as<MapObject>("maps", index));
        offer.maps.push_back(std::move(map));
    }
    auto loaded = load_bound(call, offer);
    if (!loaded)
        return std::unexpected(std::move(loaded).error().in(fmt::format("program '{}'", message.name)));
    return loaded;
}

}  // namespace ebpf::service
