// SPDX-License-Identifier: MIT
// Requests and replies of spec/operations.def as structures, and their encoding. How they are framed:
// frame.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "protocol/verifier_fields.hpp"
#include "spec/maps.hpp"
#include "spec/operations.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::protocol {

using spec::kMaxBytecodeBytes;
using spec::kMaxCounters;
using spec::kMaxExtensionParts;
using spec::kMaxExtensions;
using spec::kMaxImageBytes;
using spec::kMaxInterfaceBytes;
using spec::kMaxKeyBytes;
using spec::kMaxLines;
using spec::kMaxMachineCodeBytes;
using spec::kMaxMachineSlots;
using spec::kMaxNameBytes;
using spec::kMaxPathBytes;
using spec::kMaxProgramMaps;
using spec::kMaxRecordData;
using spec::kMaxRecordsAtOnce;
using spec::kMaxRegisteredTypes;
using spec::kMaxSubprograms;
using spec::kMaxTestBytes;
using spec::kMaxTestOutputBytes;
using spec::kMaxTreePrograms;
using spec::kMaxTypesBytes;
using spec::kMaxValueBytes;
inline constexpr std::size_t kTagBytes = 8;

/// Position of a handle in the list that goes with a message.
using HandleIndex = std::uint32_t;
inline constexpr HandleIndex kNoHandle = 0xffffffff;

/// Id of an object.
struct Id {
    std::uint32_t id = 0;
};

#define EBPF_U32(field) std::uint32_t field = 0;
#define EBPF_U64(field) std::uint64_t field = 0;
#define EBPF_TEXT(field, max) std::string field;
#define EBPF_BYTES(field, max) std::vector<std::byte> field;
#define EBPF_HANDLE(field) HandleIndex field = kNoHandle;
#define EBPF_HANDLES(field, max) std::vector<HandleIndex> field;
#define EBPF_OBJECT(type, field) type field;
#define EBPF_LIST(type, field, max) std::vector<type> field;
#define EBPF_RECORD(name, members) \
    struct name {                  \
        members                    \
    };
#include "spec/operations.def"
#undef EBPF_RECORD
#define EBPF_OPERATION(name, number, pace, text, request, reply)             \
    struct name##Reply {                                                     \
        reply                                                                \
    };                                                                       \
    struct name##Request {                                                   \
        using Reply = name##Reply;                                           \
        static constexpr spec::Operation kOperation = spec::Operation::name; \
        request                                                              \
    };
#include "spec/operations.def"
#undef EBPF_OPERATION
#undef EBPF_U32
#undef EBPF_U64
#undef EBPF_TEXT
#undef EBPF_BYTES
#undef EBPF_HANDLE
#undef EBPF_HANDLES
#undef EBPF_OBJECT
#undef EBPF_LIST

/// Any request, any reply; monostate is no message.
using AnyRequest = std::variant<std::monostate
#define EBPF_OPERATION(name, number, pace, text, request, reply) , name##Request
#include "spec/operations.def"
#undef EBPF_OPERATION
                                >;
using AnyReply = std::variant<std::monostate
#define EBPF_OPERATION(name, number, pace, text, request, reply) , name##Reply
#include "spec/operations.def"
#undef EBPF_OPERATION
                              >;

/// Encodes a message's fields. Errors: TooBig - a field is beyond its limit; InvalidArgument - monostate.
Result<std::vector<std::byte>> encode_request(const AnyRequest& request);
Result<std::vector<std::byte>> encode_reply(const AnyReply& reply);

/// Decodes the fields of `operation`'s request or reply, with every limit checked and nothing left over.
/// Errors: NotSupported - no such operation; Malformed - names the field.
Result<AnyRequest> decode_request(std::uint32_t operation, std::span<const std::byte> bytes);
Result<AnyReply> decode_reply(std::uint32_t operation, std::span<const std::byte> bytes);

/// The same for what the verifier process reads and writes. Requests carry spec::table_fingerprint(). Errors:
/// Malformed, TooBig; VersionMismatch - the request was made with other tables.
Result<std::vector<std::byte>> encode_verification(const verifier::Request& request);
Result<verifier::Request> decode_verification(std::span<const std::byte> bytes);
Result<std::vector<std::byte>> encode_report(const verifier::Report& report);
Result<verifier::Report> decode_report(std::span<const std::byte> bytes);

}  // namespace ebpf::protocol
