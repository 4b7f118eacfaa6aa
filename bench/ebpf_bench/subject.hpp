// SPDX-License-Identifier: MIT
// Subject: a program of bench/programs with its input, read, verified and lowered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "isa/instruction.hpp"
#include "programs/registry.h"
#include "spec/maps.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::bench {

using Bytes = std::vector<std::byte>;

struct Element {
    Bytes key;
    Bytes value;
    friend auto operator<=>(const Element&, const Element&) = default;
};

/// Elements of one map, ascending by key where maps are compared.
using Contents = std::vector<Element>;

struct Subject {
    const bench_program* native = nullptr;
    verifier::Request request;
    std::vector<verifier::AccessKind> accesses;
    isa::Code code;                 ///< lowered
    Bytes packet;                   ///< at the beginning of each checked run
    std::vector<Contents> initial;  ///< of each map of the request
    std::uint64_t executed = 0;     ///< instructions that its first run executes

    [[nodiscard]] std::string_view name() const { return native->name; }
    [[nodiscard]] std::size_t slots() const { return request.bytecode.size() / spec::kSlotBytes; }
    [[nodiscard]] std::vector<spec::MapShape> shapes() const;
};

/// Returns the programs that are linked in, by name.
std::vector<const bench_program*> all_programs();

/// Reads `folder`/NAME.o and verifies it. Errors: NotFound - no such file; NotSupported - the verifier
/// refuses: the message is its report; those of reading and lowering.
Result<std::unique_ptr<Subject>> load_subject(const bench_program& program, const std::string& folder);

}  // namespace ebpf::bench
