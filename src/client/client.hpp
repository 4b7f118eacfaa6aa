// SPDX-License-Identifier: MIT
// Client: typed requests to an execution context, whichever backend leads there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/try.hpp"
#include "client/backend.hpp"
#include "object/object_spec.hpp"
#include "protocol/messages.hpp"

namespace ebpf::client {

using Bytes = std::vector<std::byte>;

enum class ObjectKind : std::uint32_t { Map, Program, Link };

struct PinnedObject {
    std::string path;
    ObjectKind kind = ObjectKind::Map;
    std::uint32_t id = 0;
};

/// A program offered to the context: accepted exactly if the handle is not empty.
struct Offered {
    verifier::Report report;
    Handle program;
};

/// Where to attach a program.
struct LinkTarget {
    std::uint32_t attach_type = 0;
    std::string interface = {};  ///< in the context's network namespace
    std::uint32_t flags = 0;
    std::optional<std::uint32_t> priority = {};  ///< nothing: the program's
    std::optional<std::uint32_t> actions = {};   ///< chain-call actions, as bits; nothing: the program's
    std::string hook = {};                       ///< by name, instead of the attach type
    std::uint32_t place = 0;                     ///< number of the place, instead of an interface
};

struct TestRun {
    std::uint64_t result = 0;
    std::uint32_t duration_ns = 0;  ///< mean of a run
    Bytes data;
};

/// What to read of a ring buffer.
struct RecordsWanted {
    std::uint64_t taken = 0;                 ///< consume up to this position first; 0: nothing
    std::uint64_t most = ~std::uint64_t{0};  ///< records; what a message holds limits them, too
    std::uint32_t timeout_ms = 0;            ///< wait if there is none, at most spec::kMostWaitMs
};

/// Sends requests. Every member may fail with what Backend::call() says.
/// Threads: one at a time. Lifetime: the backend must outlive the client.
class Client {
  public:
    explicit Client(Backend& backend) : backend_(&backend) {}

    [[nodiscard]] bool is_lasting() const { return backend_->is_lasting(); }

    Result<Handle> create_map(const object::MapSpec& map, std::span<const std::byte> types);
    Result<Bytes> lookup(const Handle& map, std::span<const std::byte> key);
    Result<void> update(const Handle& map, std::span<const std::byte> key, std::span<const std::byte> value,
                        std::uint64_t flags);
    Result<void> put_program(const Handle& map, std::uint32_t index, const Handle& program);
    Result<void> erase(const Handle& map, std::span<const std::byte> key);
    /// An empty key gives the first one. Errors: NotFound - no more.
    Result<Bytes> next_key(const Handle& map, std::span<const std::byte> key);
    Result<void> freeze(const Handle& map);
    /// Reads records of a ring buffer. They are consumed by the next call that gives the reply's position.
    /// Errors: WrongKind - another type of map; InvalidArgument - no record ends at `taken`.
    Result<protocol::MapRecordsReply> records(const Handle& map, const RecordsWanted& wanted);
    Result<protocol::MapTypesReply> types(const Handle& map);

    Result<verifier::Report> verify(const verifier::Request& request);
    /// Sends a program to be verified and loaded; `maps` are what its MapIndex instructions count in.
    Result<Offered> offer(const protocol::ProgramLoadRequest& request, std::span<const Handle* const> maps);
    Result<TestRun> test_run(const Handle& program, std::span<const std::byte> data, std::uint32_t repeat);
    Result<protocol::ProgramCodeReply> code(const Handle& program);
    /// Errors: NotFound - its engine has no machine code to show.
    Result<protocol::ProgramMachineCodeReply> machine_code(const Handle& program);

    Result<Handle> create_link(const Handle& program, const LinkTarget& target);
    Result<void> update_link(const Handle& link, const Handle& program);
    Result<void> detach(const Handle& link);

    /// Loads the extension in a file of the context's host, and returns its name.
    Result<std::string> load_extension(const std::string& path);
    Result<void> unload_extension(const std::string& name);
    Result<std::vector<protocol::ExtensionDetails>> extensions();
    /// Returns the program types that providers have registered.
    Result<std::vector<protocol::TypeDetails>> program_types();

    Result<protocol::ObjectInfoReply> info(const Handle& object);
    Result<protocol::MapDetails> map_info(const Handle& map);
    Result<protocol::ProgramDetails> program_info(const Handle& program);
    Result<protocol::LinkDetails> link_info(const Handle& link);

    /// Returns the ids of all objects of `kind`, ascending.
    Result<std::vector<std::uint32_t>> ids(ObjectKind kind);
    Result<Handle> open(ObjectKind kind, std::uint32_t id);

    /// Errors: NotSupported - the context is not lasting.
    Result<void> pin(const Handle& object, const std::string& path);
    Result<void> unpin(const std::string& path);
    /// Errors: NotFound; WrongKind.
    Result<Handle> open_pin(ObjectKind kind, const std::string& path);
    Result<std::vector<PinnedObject>> pins();

  private:
    template <typename Request>
    struct Full {
        typename Request::Reply reply;
        std::vector<Handle> handles;
    };
    template <typename Request>
    Result<Full<Request>> call(const Request& request, std::span<const Handle* const> handles);
    template <typename Request>
    Result<typename Request::Reply> ask(const Request& request,
                                        std::initializer_list<const Handle*> handles = {});
    template <typename Request>
    Result<Handle> ask_handle(const Request& request, std::initializer_list<const Handle*> handles,
                              protocol::HandleIndex Request::Reply::* field);
    template <typename Request>
    Result<std::vector<std::uint32_t>> ids_by();

    Backend* backend_;
};

}  // namespace ebpf::client
