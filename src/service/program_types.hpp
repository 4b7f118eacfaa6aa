// SPDX-License-Identifier: MIT
// ProgramTypes: the program types that providers have registered with a context, beside those of the tables.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "ebpf/program_type.h"
#include "engine/engine.hpp"
#include "runtime/context.hpp"
#include "spec/programs.hpp"
#include "verifier/registered_type.hpp"

namespace ebpf::service {

/// A registered program type. Immutable.
struct ProgramType {
    spec::ProgramType number{};
    verifier::RegisteredTypeInfo info;
    std::string section;                         ///< pattern, as in sections.def
    std::vector<engine::HelperBinding> helpers;  ///< all that its programs are bound to
};

/// Checks a description that a provider gave, and copies what of it verdicts depend on.
/// Errors: VersionMismatch - version or sizes are not ours; InvalidArgument - says what cannot be verified
/// against.
Result<verifier::RegisteredTypeInfo> read_program_type(const ebpf_program_type& type);

/// Threads: any, for every member. Types stay for the life of the context: programs hold addresses of
/// helpers.
class ProgramTypes {
  public:
    /// Errors: those of read_program_type(); InvalidArgument - a helper without a function, or a section name
    /// that selects another type; AlreadyExists - a type has the name.
    Result<const ProgramType*> add(const ebpf_program_type& type, runtime::Context& context);

    /// Returns the type, or nullptr.
    [[nodiscard]] const ProgramType* find(std::uint32_t number) const;

    /// Section names of the types, for object::read_object(). Lifetime: that of this object.
    [[nodiscard]] std::vector<spec::SectionSpec> sections() const;

  private:
    mutable std::mutex mutex_;
    std::deque<ProgramType> types_;  // which keeps its elements where they are
};

}  // namespace ebpf::service
