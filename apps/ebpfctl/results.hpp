// SPDX-License-Identifier: MIT
// What commands come to, as plain values. render.hpp turns them into text or JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/client.hpp"

namespace ebpf::ctl {

struct FormattedMember;

/// A value described by BTF: what it holds, by name.
struct Formatted {
    enum class Kind : std::uint8_t { Null, Signed, Unsigned, Truth, Text, List, Object };
    Kind kind = Kind::Null;
    std::int64_t number = 0;  ///< Unsigned: its bits
    std::string text;
    std::vector<FormattedMember> members;  ///< of a list without names
};
struct FormattedMember {
    std::string name;
    Formatted value;
};

/// Nothing to say: it was done.
struct Done {};

struct VerifiedProgram {
    std::string name;
    std::string section;
    verifier::Report report;
};
struct Verification {
    std::vector<VerifiedProgram> programs;
};

struct Programs {
    std::vector<protocol::ProgramDetails> programs;
    std::vector<std::vector<std::string>> pins;  ///< of each
    bool is_list = true;                         ///< all there are, rather than the one that was named
};

struct ListingLine {
    std::uint32_t slot = 0;
    std::string subprogram;             ///< not empty: a function begins here
    std::optional<std::string> source;  ///< a source line begins here
    std::string text;                   ///< "(b7) r0 = 1"
};
struct Listing {
    std::vector<ListingLine> lines;
};

struct MachineLine {
    std::uint32_t offset = 0;
    std::uint64_t address = 0;
    client::Bytes bytes;
    std::string operation;
    std::string operands;
    std::optional<ListingLine> origin;  ///< what begins to be carried out here
};
struct MachineListing {
    std::vector<MachineLine> lines;
};

struct Run {
    std::uint64_t result = 0;
    std::uint32_t duration_ns = 0;
    std::uint32_t repeat = 1;
    std::optional<client::Bytes> data;  ///< the packet or memory afterwards, if it is to be shown
};

struct Maps {
    std::vector<protocol::MapDetails> maps;
    std::vector<std::vector<std::string>> pins;
    bool is_list = true;
};

struct Element {
    client::Bytes key;
    client::Bytes value;
    std::optional<Formatted> formatted_key;
    std::optional<Formatted> formatted_value;
};
struct Elements {
    std::vector<Element> elements;
    bool is_list = true;     ///< a dump rather than a lookup
    bool has_types = false;  ///< the map came with BTF
};
/// A lookup that found nothing.
struct NoElement {
    client::Bytes key;
};
struct NextKey {
    std::optional<client::Bytes> key;
    client::Bytes next;
};

/// Records of a ring buffer, as they come.
struct Records {
    std::vector<protocol::RingRecord> records;
};

struct Links {
    std::vector<protocol::LinkDetails> links;
    std::vector<std::vector<std::string>> pins;
    bool is_list = true;
};

struct NetAttachments {
    std::vector<protocol::LinkDetails> xdp;
};

struct Extensions {
    std::vector<protocol::ExtensionDetails> extensions;
};

struct Pins {
    std::vector<client::PinnedObject> pins;
};

struct RuleText {
    std::string id;
    std::string category;
    std::string title;
    std::string explanation;
    std::string fix;
};

/// The end of a command that was run; it has said itself what there is to say.
struct CommandEnded {
    int code = 0;       ///< its exit code, or 125 to 127: it did not start
    std::string error;  ///< why it did not start
};

using Output =
    std::variant<Done, Verification, Programs, Listing, MachineListing, Run, Maps, Elements, NoElement,
                 NextKey, Records, Links, NetAttachments, Extensions, Pins, RuleText, CommandEnded>;

/// Exit codes; documented in README.md.
enum class Exit : int {
    Ok = 0,           ///< done; accepted
    Refused = 1,      ///< rejected, not found, or the operation failed
    Usage = 2,        ///< wrong command line
    Internal = 3,     ///< a bug
    Environment = 4,  ///< no daemon, no permission
};

/// Returns the exit code that goes with a result, or with an error.
Exit exit_of(const Output& output);
Exit exit_of(const Error& error);

}  // namespace ebpf::ctl
