// SPDX-License-Identifier: MIT
#include <array>

#include "object/object_spec.hpp"

namespace ebpf::object {

bool is_gpl_compatible(std::string_view licence) {
    static constexpr std::array<std::string_view, 6> kCompatible = {
        "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL",
    };
    for (const auto text : kCompatible) {
        if (licence == text) return true;
    }
    return false;
}

}  // namespace ebpf::object
