// SPDX-License-Identifier: MIT
#include "native/identity.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "isa/decode.hpp"
#include "isa/encode.hpp"
#include "isa/text/decode_text.hpp"
#include "lower/lower.hpp"
#include "protocol/messages.hpp"

namespace ebpf::native {
namespace {

/// The request without what neither verdict nor code depends on. Groups only say which instructions may
/// occur; the length of memory only counts for programs on memory, though a test run names one for all.
verifier::Request essence(verifier::Request request) {
    request.program_name.clear();
    request.lines.clear();
    request.subprograms.clear();
    request.groups = spec::kAllGroups;
    if (request.type != spec::ProgramType::Memory) request.memory_length = 0;
    request.limits = {};
    request.wants_invariants = false;
    for (auto& map : request.maps) map.name.clear();
    return request;
}

}  // namespace

Result<Verified> verify_for_image(const verifier::Request& request, const Verify& verify) {
    const bool has_contents = std::ranges::any_of(request.maps, &verifier::MapInfo::is_frozen);
    if (has_contents) {
        verifier::Request general = request;
        for (auto& map : general.maps) {
            map.is_frozen = false;
            map.contents.clear();
        }
        EBPF_TRY(auto report, verify(general));
        if (report.verdict == verifier::Verdict::Accept)
            return Verified{std::move(general), std::move(report)};
    }
    EBPF_TRY(auto report, verify(request));
    return Verified{request, std::move(report)};
}

Result<Identity> identify(const verifier::Request& request, const verifier::Report& report) {
    auto code = isa::decode(request.bytecode, request.groups);
    if (!code) return std::unexpected(isa::to_error(code.error()));
    EBPF_TRY_VOID(lower::lower(*code, request.type, report));
    EBPF_TRY(auto bytes, protocol::encode_verification(essence(request)));
    const auto lowered = isa::encode(std::span(code->data(), code->size()));
    if (!lowered) return fail(lowered.error(), "encoding lowered code");
    bytes.insert(bytes.end(), lowered->begin(), lowered->end());
    return Identity{std::move(*code), platform::sha256(bytes)};
}

}  // namespace ebpf::native
