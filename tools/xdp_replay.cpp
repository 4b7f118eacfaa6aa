// SPDX-License-Identifier: MIT
// Runs an XDP program over a packet capture, in a context inside this process: no privileges, no daemon, no
// interface. Usage: xdp_replay OBJECT.o[:PROGRAM] CAPTURE.pcap      Prints the verdicts and the program's
// counters as JSON. Exit codes: 0, 1 the program was rejected, 2 usage, 4 a file or the host does not allow
// it.
#include <array>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/try.hpp"
#include "client/client.hpp"
#include "client/load_object.hpp"
#include "client/local_backend.hpp"
#include "object/object_spec.hpp"
#include "platform/file.hpp"
#include "tools/pcap.hpp"

namespace {

using ebpf::fail;
using ebpf::Result;
using ebpf::Status;
namespace client = ebpf::client;
namespace object = ebpf::object;

constexpr std::size_t kMaximumObjectBytes = 64 << 20;
constexpr std::size_t kMaximumCaptureBytes = std::size_t{1} << 30;

/// Names of the XDP verdicts in the order of their numbers.
constexpr std::array<const char*, 5> kVerdicts = {"aborted", "drop", "pass", "tx", "redirect"};

struct Outcome {
    std::array<std::uint64_t, kVerdicts.size() + 1> verdicts{};  ///< the last one: any other value
    double seconds = 0;
};

Result<Outcome> replay(client::Client& context, const client::Handle& program,
                       const std::vector<ebpf::tools::Packet>& packets) {
    Outcome outcome;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < packets.size(); ++i) {
        auto run = context.test_run(program, std::as_bytes(std::span(packets[i])), 1);
        if (!run) return std::unexpected(std::move(run).error().in("packet " + std::to_string(i)));
        const std::uint64_t verdict = run->result;
        ++outcome.verdicts[verdict < kVerdicts.size() ? static_cast<std::size_t>(verdict) : kVerdicts.size()];
    }
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return outcome;
}

/// Prints the first element of every array map with values of 8 bytes: where programs count.
Result<void> print_counters(client::Client& context, const object::ObjectSpec& spec,
                            const client::LoadedObject& loaded) {
    const char* separator = "";
    for (std::size_t i = 0; i < spec.maps.size(); ++i) {
        const auto& shape = spec.maps[i].shape;
        if (shape.type != ebpf::spec::MapType::Array || shape.value_size != sizeof(std::uint64_t)) continue;
        const std::uint32_t first = 0;
        EBPF_TRY(const client::Bytes value,
                 context.lookup(loaded.maps[i], std::as_bytes(std::span(&first, 1))));
        std::uint64_t count = 0;
        std::memcpy(&count, value.data(), std::min(sizeof(count), value.size()));
        std::printf("%s\"%s\": %" PRIu64, separator, spec.maps[i].name.c_str(), count);
        separator = ", ";
    }
    return {};
}

Result<void> print(client::Client& context, const object::ObjectSpec& spec,
                   const client::LoadedObject& loaded, const Outcome& outcome, std::size_t packets) {
    std::printf("{\"packets\": %zu", packets);
    for (std::size_t i = 0; i < kVerdicts.size(); ++i) {
        std::printf(", \"%s\": %" PRIu64, kVerdicts[i], outcome.verdicts[i]);
    }
    std::printf(", \"other\": %" PRIu64 ", \"seconds\": %.3f, \"counters\": {", outcome.verdicts.back(),
                outcome.seconds);
    EBPF_TRY_VOID(print_counters(context, spec, loaded));
    std::printf("}}\n");
    return {};
}

Result<void> run(const std::string& object_argument, const std::string& capture_path) {
    const std::size_t colon = object_argument.rfind(':');
    const std::string path = object_argument.substr(0, colon);
    const std::string name = colon == std::string::npos ? "" : object_argument.substr(colon + 1);
    EBPF_TRY(const auto object_bytes, ebpf::platform::read_file(path, kMaximumObjectBytes));
    EBPF_TRY(const object::ObjectSpec spec, object::read_object(object_bytes, path));
    EBPF_TRY(const object::ProgramSpec* program, client::find_program(spec, name));
    if (program->type != ebpf::spec::ProgramType::Xdp) {
        return fail(Status::InvalidArgument, "program '" + program->name + "' is not an XDP program");
    }
    EBPF_TRY(const auto capture, ebpf::platform::read_file(capture_path, kMaximumCaptureBytes));
    EBPF_TRY(const auto packets, ebpf::tools::read_pcap(capture));

    EBPF_TRY(const auto backend, client::LocalBackend::create({}));
    client::Client context(*backend);
    EBPF_TRY(const client::LoadedObject loaded, client::load_object(context, spec, {program}, {}));
    const client::Handle& handle = loaded.programs.front().offered.program;
    if (handle.is_empty())
        return fail(Status::Rejected, "program '" + program->name + "' was rejected by the verifier");
    EBPF_TRY(const Outcome outcome, replay(context, handle, packets));
    return print(context, spec, loaded, outcome, packets.size());
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s OBJECT.o[:PROGRAM] CAPTURE.pcap\n", arguments[0]);
        return 2;
    }
    const auto done = run(arguments[1], arguments[2]);
    if (done) return 0;
    std::fprintf(stderr, "xdp_replay: %s\n", done.error().message().c_str());
    return done.error().status() == Status::Rejected ? 1 : 4;
}
