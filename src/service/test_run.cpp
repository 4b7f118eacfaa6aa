// SPDX-License-Identifier: MIT
// Test runs: a program on data from a request instead of a hook's.
// Source: Linux net/bpf/test_run.c for what contexts hold and what comes back.
#include <algorithm>
#include <cstring>

#include "ebpf/contexts.h"
#include "platform/clock.hpp"
#include "service/call.hpp"

namespace ebpf::service {
namespace {

using runtime::ProgramObject;

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kXdpHeadroom = 256;
constexpr std::size_t kXdpTailroom = 320;
constexpr std::uint32_t kLoopbackIndex = 1;
constexpr std::uint64_t kMaxRunNs = 30'000'000'000;
constexpr std::uint32_t kRunsBetweenClockReads = 256;

struct Outcome {
    std::uint64_t result = 0;
    std::uint32_t duration_ns = 0;
};

/// Runs `program` `repeat` times on one context, as the kernel does: what a run changes, the next one sees.
Result<Outcome> run_repeated(Call& call, ProgramObject& program, void* context, std::uint64_t r2,
                             std::uint32_t repeat) {
    Outcome outcome;
    const std::uint64_t start = platform::monotonic_ns();
    for (std::uint32_t i = 0; i < repeat; ++i) {
        const auto result = call.context().run(program, context, r2);
        if (!result) return fail_with(result.error(), fmt::format("run {}", i));
        outcome.result = *result;
        if (i % kRunsBetweenClockReads == 0 && platform::monotonic_ns() - start > kMaxRunNs) {
            return fail(Status::TimedOut, fmt::format("only {} of {} runs ended within {} s", i + 1, repeat,
                                                      kMaxRunNs / 1'000'000'000));
        }
    }
    const std::uint64_t mean = (platform::monotonic_ns() - start) / repeat;
    outcome.duration_ns = static_cast<std::uint32_t>(std::min<std::uint64_t>(mean, 0xffffffff));
    return outcome;
}

Result<void> check_frame(const std::vector<std::byte>& data) {
    if (data.size() >= kEthernetBytes) return {};
    return fail(Status::InvalidArgument, fmt::format("data has {} bytes, an Ethernet frame has at least {}",
                                                     data.size(), kEthernetBytes));
}

Result<Outcome> run_xdp(Call& call, ProgramObject& program, std::uint32_t repeat,
                        std::vector<std::byte>& data) {
    EBPF_TRY_VOID(check_frame(data));
    std::vector<std::uint8_t> buffer(kXdpHeadroom + data.size() + kXdpTailroom);
    std::memcpy(buffer.data() + kXdpHeadroom, data.data(), data.size());
    ebpf_xdp_context context{};
    context.data_hard_start = buffer.data();
    context.data = buffer.data() + kXdpHeadroom;
    context.data_meta = context.data;
    context.data_end = context.data + data.size();
    context.frame_end = buffer.data() + buffer.size();
    context.ingress_ifindex = kLoopbackIndex;
    EBPF_TRY(const Outcome outcome, run_repeated(call, program, &context, 0, repeat));
    const auto bytes = std::as_bytes(std::span(context.data, context.data_end));
    data.assign(bytes.begin(), bytes.end());
    return outcome;
}

std::uint32_t packet_type(const std::vector<std::byte>& frame) {
    constexpr std::uint32_t kHost = 0;
    constexpr std::uint32_t kBroadcast = 1;
    constexpr std::uint32_t kMulticast = 2;
    constexpr std::uint32_t kOtherHost = 3;
    const auto address = std::span(frame).first(6);
    const auto all = [&](std::byte value) {
        return std::all_of(address.begin(), address.end(), [&](std::byte byte) { return byte == value; });
    };
    if (all(std::byte{0xff})) return kBroadcast;
    if ((address[0] & std::byte{1}) != std::byte{0}) return kMulticast;
    return all(std::byte{0}) ? kHost : kOtherHost;  // the loopback device's address is zero
}

/// A socket filter sees the packet from its network header on; the link header comes back as zeroes.
Result<Outcome> run_socket_filter(Call& call, ProgramObject& program, std::uint32_t repeat,
                                  std::vector<std::byte>& data) {
    EBPF_TRY_VOID(check_frame(data));
    auto* packet = reinterpret_cast<std::uint8_t*>(data.data());
    ebpf_skb_context context{};
    context.data = packet + kEthernetBytes;
    context.data_end = packet + data.size();
    context.len = static_cast<std::uint32_t>(data.size() - kEthernetBytes);
    context.pkt_type = packet_type(data);
    std::uint16_t protocol = 0;
    std::memcpy(&protocol, packet + kEthernetBytes - sizeof(protocol), sizeof(protocol));
    context.protocol = protocol;
    context.ifindex = kLoopbackIndex;
    EBPF_TRY(const Outcome outcome, run_repeated(call, program, &context, 0, repeat));
    std::fill_n(data.begin(), kEthernetBytes, std::byte{0});
    return outcome;
}

Result<Outcome> run_memory(Call& call, ProgramObject& program, std::uint32_t repeat,
                           std::vector<std::byte>& data) {
    if (data.size() != program.memory_length()) {
        return fail(Status::InvalidArgument, fmt::format("data has {} bytes, the program was verified for {}",
                                                         data.size(), program.memory_length()));
    }
    // Aligned, and never a null address for an empty region.
    std::vector<std::uint64_t> memory(data.size() / sizeof(std::uint64_t) + 1);
    std::copy(data.begin(), data.end(), std::as_writable_bytes(std::span(memory)).begin());
    EBPF_TRY(const Outcome outcome, run_repeated(call, program, memory.data(), data.size(), repeat));
    const auto bytes = std::as_bytes(std::span(memory));
    data.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(data.size()));
    return outcome;
}

/// A context structure of a registered type: all is 0 but the ends of the data.
class OwnContext {
  public:
    explicit OwnContext(const verifier::RegisteredTypeInfo& info)
        : info_(info), words_(info.context_bytes / sizeof(std::uint64_t) + 1) {}

    [[nodiscard]] void* address() { return words_.data(); }
    [[nodiscard]] bool has_data() const { return find(spec::FieldMeaning::PacketStart) != nullptr; }
    void set_data(std::span<std::byte> data) {
        put(spec::FieldMeaning::PacketStart, data.data());
        put(spec::FieldMeaning::PacketEnd, data.data() + data.size());
    }
    /// What lies between the ends now: helpers may have moved them.
    [[nodiscard]] Result<std::vector<std::byte>> data() const {
        const std::byte* const start = get(spec::FieldMeaning::PacketStart);
        const std::byte* const end = get(spec::FieldMeaning::PacketEnd);
        if (end < start || static_cast<std::size_t>(end - start) > spec::kMaxTestOutputBytes)
            return fail(Status::TooBig,
                        fmt::format("the run left data of more than {} bytes", spec::kMaxTestOutputBytes));
        return std::vector<std::byte>(start, end);
    }

  private:
    [[nodiscard]] const verifier::FieldInfo* find(spec::FieldMeaning meaning) const {
        const auto field = std::ranges::find(info_.fields, meaning, &verifier::FieldInfo::meaning);
        return field == info_.fields.end() ? nullptr : &*field;
    }
    // verifier::fault_of() sees to it that such a field is an aligned word.
    void put(spec::FieldMeaning meaning, std::byte* value) {
        words_[find(meaning)->offset / sizeof(std::uint64_t)] = reinterpret_cast<std::uintptr_t>(value);
    }
    [[nodiscard]] const std::byte* get(spec::FieldMeaning meaning) const {
        const std::uint64_t value = words_[find(meaning)->offset / sizeof(std::uint64_t)];
        return reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(value));
    }

    const verifier::RegisteredTypeInfo& info_;
    std::vector<std::uint64_t> words_;
};

Result<Outcome> run_registered(Call& call, ProgramObject& program, std::uint32_t repeat,
                               std::vector<std::byte>& data) {
    const auto number = static_cast<std::uint32_t>(program.type());
    const ProgramTypeRef type = call.service.program_types().find(number);
    if (!type || !type->has_test_runs) {
        return fail(Status::NotSupported,
                    fmt::format("program type '{}' {}", call.service.program_types().name_of(number),
                                type ? "does not provide for test runs" : "belongs to no loaded extension"));
    }
    OwnContext context(type->info);
    if (!context.has_data()) {
        if (!data.empty())
            return fail(Status::InvalidArgument,
                        fmt::format("struct {} has no data: none can be given", type->info.context));
        return run_repeated(call, program, context.address(), 0, repeat);
    }
    std::vector<std::byte> buffer(data.size() + 1);  // an address also of no bytes
    std::ranges::copy(data, buffer.begin());
    context.set_data(std::span(buffer).first(data.size()));
    EBPF_TRY(const Outcome outcome, run_repeated(call, program, context.address(), 0, repeat));
    EBPF_TRY(data, context.data());
    return outcome;
}

Result<Outcome> run_as_type(Call& call, ProgramObject& program, std::uint32_t repeat,
                            std::vector<std::byte>& data) {
    if (spec::find_program_type(static_cast<std::uint32_t>(program.type())) == nullptr)
        return run_registered(call, program, repeat, data);
    switch (program.type()) {
        case spec::ProgramType::Xdp:
            return run_xdp(call, program, repeat, data);
        case spec::ProgramType::SocketFilter:
            return run_socket_filter(call, program, repeat, data);
        case spec::ProgramType::Memory:
            return run_memory(call, program, repeat, data);
        case spec::ProgramType::CgroupSock:      // nor has Linux
        case spec::ProgramType::CgroupSockAddr:  // nor has Linux
        case spec::ProgramType::Bind:            // nor has Windows
        case spec::ProgramType::Unspecified:
            break;
    }
    return fail(Status::NotSupported, "programs of this type have no test run");
}

}  // namespace

Result<protocol::ProgramTestRunReply> carry_out(Call& call, const protocol::ProgramTestRunRequest& message) {
    EBPF_TRY(const auto program, call.object_as<ProgramObject>("program", message.program));
    protocol::ProgramTestRunReply reply;
    reply.data = message.data;
    const std::uint32_t repeat = std::max(message.repeat, 1U);
    auto outcome = run_as_type(call, *program, repeat, reply.data);
    if (!outcome) {
        return std::unexpected(
            std::move(outcome).error().in(fmt::format("program {} '{}'", program->id(), program->name())));
    }
    reply.result = outcome->result;
    reply.duration_ns = outcome->duration_ns;
    return reply;
}

}  // namespace ebpf::service
