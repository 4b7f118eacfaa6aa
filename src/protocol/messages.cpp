// SPDX-License-Identifier: MIT
#include "protocol/messages.hpp"

#include <fmt/format.h>

#include "protocol/fields.hpp"
#include "spec/fingerprint.hpp"

namespace ebpf::protocol {
namespace {

std::unexpected<Error> faulty(Status status, const char* message, const FieldFault& fault) {
    return fail(status, fmt::format("{}: field '{}' is {} ({}, limit {})", message, fault.field, fault.what,
                                    fault.value, fault.limit));
}

template <typename M>
Result<std::vector<std::byte>> encode(const char* name, const M& message) {
    Encoder encoder;
    fields(encoder, message);
    if (!encoder.is_good()) return faulty(Status::TooBig, name, encoder.fault());
    return encoder.take();
}

template <typename M>
Result<M> decode(const char* name, std::span<const std::byte> bytes) {
    Decoder decoder(bytes);
    M message;
    fields(decoder, message);
    if (!decoder.finish()) return faulty(Status::Malformed, name, decoder.fault());
    return message;
}

template <typename Any, typename M>
Result<Any> decode_as(const char* name, std::span<const std::byte> bytes) {
    auto message = decode<M>(name, bytes);
    if (!message) return std::unexpected(std::move(message).error());
    return Any(*std::move(message));
}

struct EncodeAny {
    Result<std::vector<std::byte>> operator()(const std::monostate&) const {
        return fail(Status::InvalidArgument, "no message");
    }
#define EBPF_OPERATION(name, number, pace, text, request, reply)                    \
    Result<std::vector<std::byte>> operator()(const name##Request& message) const { \
        return encode(#name " request", message);                                   \
    }                                                                               \
    Result<std::vector<std::byte>> operator()(const name##Reply& message) const {   \
        return encode(#name " reply", message);                                     \
    }
#include "spec/operations.def"
#undef EBPF_OPERATION
};

std::unexpected<Error> unknown(std::uint32_t operation) {
    return fail(Status::NotSupported, fmt::format("there is no operation with number {:#x}", operation));
}

}  // namespace

Result<std::vector<std::byte>> encode_request(const AnyRequest& request) {
    return std::visit(EncodeAny{}, request);
}

Result<std::vector<std::byte>> encode_reply(const AnyReply& reply) {
    return std::visit(EncodeAny{}, reply);
}

Result<AnyRequest> decode_request(std::uint32_t operation, std::span<const std::byte> bytes) {
    switch (operation) {
#define EBPF_OPERATION(name, number, pace, text, request, reply) \
    case number:                                                 \
        return decode_as<AnyRequest, name##Request>(#name " request", bytes);
#include "spec/operations.def"
#undef EBPF_OPERATION
    }
    return unknown(operation);
}

Result<AnyReply> decode_reply(std::uint32_t operation, std::span<const std::byte> bytes) {
    switch (operation) {
#define EBPF_OPERATION(name, number, pace, text, request, reply) \
    case number:                                                 \
        return decode_as<AnyReply, name##Reply>(#name " reply", bytes);
#include "spec/operations.def"
#undef EBPF_OPERATION
    }
    return unknown(operation);
}

// The tables are part of what is asked: a verifier of another build must not answer, nor its answer count.
Result<std::vector<std::byte>> encode_verification(const verifier::Request& request) {
    Encoder encoder;
    encoder.number("tables", spec::table_fingerprint());
    fields(encoder, request);
    if (!encoder.is_good()) return faulty(Status::TooBig, "verification request", encoder.fault());
    return encoder.take();
}

Result<verifier::Request> decode_verification(std::span<const std::byte> bytes) {
    Decoder decoder(bytes);
    std::uint64_t tables = 0;
    decoder.number("tables", tables);
    if (decoder.is_good() && tables != spec::table_fingerprint())
        return fail(Status::VersionMismatch, "verification request: it comes from another build");
    verifier::Request request;
    fields(decoder, request);
    if (!decoder.finish()) return faulty(Status::Malformed, "verification request", decoder.fault());
    return request;
}

Result<std::vector<std::byte>> encode_report(const verifier::Report& report) {
    return encode("verification report", report);
}

Result<verifier::Report> decode_report(std::span<const std::byte> bytes) {
    return decode<verifier::Report>("verification report", bytes);
}

}  // namespace ebpf::protocol
