// SPDX-License-Identifier: MIT
// From an ObjectSpec to requests: what to verify, and loading its maps and programs into a context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "client/client.hpp"
#include "object/object_spec.hpp"
#include "spec/engines.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::client {

/// Reads an object file for the context that `client` leads to: sections of the program types that providers
/// have registered there select these, and the structures that programs were compiled with are compared with
/// theirs. Errors: those of object::read_object(), check_structure() and the request.
Result<object::ObjectSpec> read_object(Client& client, std::span<const std::byte> bytes,
                                       std::string_view name);

/// Returns the program that `name` names: a program or, if none has the name, a section; the only program for
/// an empty name. Errors: NotFound - lists what there is; InvalidArgument - the name is empty and there are
/// several.
Result<const object::ProgramSpec*> find_program(const object::ObjectSpec& object, std::string_view name);

/// Returns the request to verify `program` of `object` as it would be loaded, without creating its maps.
verifier::Request verification_request(const object::ObjectSpec& object, const object::ProgramSpec& program,
                                       std::uint64_t memory_length);

/// A program of a LoadedObject, accepted or refused.
struct LoadedProgram {
    const object::ProgramSpec* spec = nullptr;
    Offered offered;
};

struct LoadedObject {
    std::vector<Handle> maps;  ///< as ObjectSpec::maps
    std::vector<LoadedProgram> programs;
};

struct LoadOptions {
    std::uint64_t memory_length = 0;  ///< for programs of type memory
    spec::Engine engine = spec::Engine::Auto;
    Bytes image = {};                           ///< engine Native: the image's bytes
    std::string pin_directory = "/sys/fs/bpf";  ///< for maps with LIBBPF_PIN_BY_NAME, in a lasting context
};

/// Creates the maps of `object` (filled and frozen as it says; those pinned by name are shared) and offers
/// `programs` to the context. Refusals by the verifier are results. Errors: AlreadyExists - the map pinned
/// under a name has another shape; those of the requests. What was created goes
///   away again on failure.
/// Lifetime: the result refers to `programs`.
Result<LoadedObject> load_object(Client& client, const object::ObjectSpec& object,
                                 const std::vector<const object::ProgramSpec*>& programs,
                                 const LoadOptions& options);

}  // namespace ebpf::client
