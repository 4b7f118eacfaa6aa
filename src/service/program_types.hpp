// SPDX-License-Identifier: MIT
// ProgramTypes: the program types that providers have registered with a context, beside those of the tables.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
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
    bool has_test_runs = false;                  ///< on data of a request
    std::vector<engine::HelperBinding> helpers;  ///< all that its programs are bound to
    std::shared_ptr<void> code;                  ///< that its own helpers are in; nullptr: they stay anyhow
};
using ProgramTypeRef = std::shared_ptr<const ProgramType>;

/// Checks a description that a provider gave, and copies what of it verdicts depend on.
/// Errors: VersionMismatch - version or sizes are not ours; InvalidArgument - says what cannot be verified
/// against.
Result<verifier::RegisteredTypeInfo> read_program_type(const ebpf_program_type& type);

/// Whether `text` can name a section, a hook or an extension: 1 to 63 letters, digits and characters of
/// "_-/", no slash first.
bool is_name(std::string_view text);

/// Types by name and number. A name keeps its number for good. Whoever holds a type, as its programs do,
/// keeps it and its library in memory, also after remove().
/// Threads: any, for every member.
class ProgramTypes {
  public:
    /// Registers a type. If one of the name was removed and programs of it are left, it must be the same, and
    /// is what is returned. `library` is kept as long as the type.
    /// Errors: those of read_program_type(); InvalidArgument - a helper without a function, or a section name
    /// that selects another type; AlreadyExists - a type has the name; Busy - programs are left of another
    /// one with the name; LimitExceeded.
    Result<ProgramTypeRef> add(const ebpf_program_type& type, runtime::Context& context,
                               std::shared_ptr<void> library = nullptr);
    /// Takes a type away: no more programs of it can be loaded. Those that are, stay.
    void remove(const ProgramType& type);

    /// Returns the type that is registered under `number`, or nullptr.
    [[nodiscard]] ProgramTypeRef find(std::uint32_t number) const;
    /// Returns the name of a type that is or was registered, or an empty text.
    [[nodiscard]] std::string name_of(std::uint32_t number) const;
    /// Returns the types that are registered.
    [[nodiscard]] std::vector<ProgramTypeRef> all() const;

  private:
    /// A name that was ever given.
    struct Entry {
        std::string name;
        spec::ProgramType number{};
        ProgramTypeRef registered;              // nullptr: removed
        std::weak_ptr<const ProgramType> last;  // expired: no program of it is left
    };

    Entry* find_entry(std::string_view name);
    Result<void> check_section(const ProgramType& type) const;

    mutable std::mutex mutex_;
    std::vector<Entry> entries_;
};

}  // namespace ebpf::service
