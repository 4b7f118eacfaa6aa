// SPDX-License-Identifier: MIT
#include "protocol/request_hash.hpp"

#include <algorithm>

#include "base/try.hpp"

namespace ebpf::protocol {

Result<platform::Sha256> request_hash(const verifier::Request& request) {
    EBPF_TRY(const auto bytes, encode_verification(request));
    return platform::sha256(bytes);
}

ProgramTag program_tag(std::span<const std::byte> bytecode) {
    const auto digest = platform::sha256(bytecode);
    ProgramTag tag;
    std::copy_n(digest.begin(), tag.size(), tag.begin());
    return tag;
}

Result<std::vector<std::byte>> encode_bound_report(const BoundReport& report) {
    EBPF_TRY(const auto fields, encode_report(report.report));
    std::vector<std::byte> bytes(report.request.begin(), report.request.end());
    bytes.insert(bytes.end(), fields.begin(), fields.end());
    return bytes;
}

Result<BoundReport> decode_bound_report(std::span<const std::byte> bytes) {
    BoundReport result;
    if (bytes.size() < result.request.size()) return fail(Status::Malformed, "report is shorter than a hash");
    std::copy_n(bytes.begin(), result.request.size(), result.request.begin());
    EBPF_TRY(result.report, decode_report(bytes.subspan(result.request.size())));
    return result;
}

}  // namespace ebpf::protocol
