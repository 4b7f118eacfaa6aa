// SPDX-License-Identifier: MIT
// A program type that a provider has registered, as requests carry it, and as rows for a spec::Catalogue.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "spec/catalogue.hpp"

namespace ebpf::verifier {

/// A field of the context, at the same place for programs and host; see spec::ContextField.
struct FieldInfo {
    std::string name;
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    spec::FieldPermission permission = spec::FieldPermission::Read;
    spec::FieldMeaning meaning = spec::FieldMeaning::Plain;

    bool operator==(const FieldInfo&) const = default;
};

/// A helper of the type; see spec::HelperSpec.
struct HelperInfo {
    std::uint32_t id = 0;
    std::string name;  ///< as in programs
    spec::ReturnKind returns = spec::ReturnKind::Scalar;
    std::array<spec::ArgKind, 5> arguments{};
    bool moves_packet = false;

    bool operator==(const HelperInfo&) const = default;
};

/// All that verdicts about programs of the type depend on.
struct RegisteredTypeInfo {
    std::string name;  ///< of the program type
    std::int64_t return_min = 1;
    std::int64_t return_max = 0;  ///< less than return_min: any value may be returned
    std::string context;          ///< name of the structure
    std::uint32_t context_bytes = 0;
    bool may_write_packet = false;
    std::vector<FieldInfo> fields;
    std::vector<HelperInfo> helpers;

    bool operator==(const RegisteredTypeInfo&) const = default;
};

/// Returns why no program can be verified against `info`, or an empty text: what is not understood, overlaps,
/// is not aligned, out of bounds, named twice or not by an identifier of at most 63 bytes, or takes a number
/// of the tables.
std::string fault_of(const RegisteredTypeInfo& info);

/// An info as rows. Lifetime: refers to the info's texts.
class RegisteredRows {
  public:
    /// Requires: fault_of(info) is empty; `number` is in no table.
    RegisteredRows(const RegisteredTypeInfo& info, spec::ProgramType number);
    RegisteredRows(const RegisteredRows&) = delete;
    RegisteredRows& operator=(const RegisteredRows&) = delete;
    ~RegisteredRows() = default;

    [[nodiscard]] spec::Catalogue catalogue() const { return spec::Catalogue(&type_); }

  private:
    std::vector<spec::ContextField> fields_;
    std::vector<spec::HelperSpec> helpers_;
    spec::RegisteredType type_;
};

}  // namespace ebpf::verifier
