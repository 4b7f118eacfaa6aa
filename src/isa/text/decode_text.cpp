// SPDX-License-Identifier: MIT
#include "isa/text/decode_text.hpp"

#include <fmt/format.h>

#include <string_view>

#include "spec/groups.hpp"

namespace ebpf::isa {

Error to_error(const DecodeError& error) {
    const std::string_view field = error.field;
    if (field.empty()) {
        const char* unit = error.status == Status::OutOfMemory ? "slots" : "bytes of code";
        return {error.status, fmt::format("{}: {} {}", status_text(error.status), error.value, unit)};
    }
    const std::string value =
        field == "opcode" ? fmt::format("{:#04x}", error.value) : fmt::format("{}", error.value);
    if (error.status == Status::GroupNotSupported) {
        return {error.status,
                fmt::format("instruction {}: {}: {} {} needs group {}", error.slot, status_text(error.status),
                            field, value, spec::group_name(error.group))};
    }
    return {error.status,
            fmt::format("instruction {}: {}: {} {}", error.slot, status_text(error.status), field, value)};
}

}  // namespace ebpf::isa
