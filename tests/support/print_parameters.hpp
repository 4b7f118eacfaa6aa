// SPDX-License-Identifier: MIT
// How GoogleTest prints what tests are parametrised with: by name. It would print bytes, and what holds
// addresses would make another test name in each run.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <tuple>

#include "spec/instructions.hpp"
#include "spec/programs.hpp"

namespace ebpf::spec {

inline std::string_view name_of(AluOp op) {
    switch (op) {
#define EBPF_ALU(name, code, symbol, group, offset) \
    case AluOp::name:                               \
        return #name;
#include "spec/instructions.def"
#undef EBPF_ALU
    }
    return "unknown";
}

inline std::string_view name_of(JumpOp op) {
    switch (op) {
#define EBPF_JUMP(name, code, symbol) \
    case JumpOp::name:                \
        return #name;
#include "spec/instructions.def"
#undef EBPF_JUMP
    }
    return "unknown";
}

inline std::string_view name_of(Width width) {
    return width == Width::W32 ? "W32" : "W64";
}

inline std::string_view name_of(ProgramType type) {
    switch (type) {
#define EBPF_PROGRAM_TYPE(name, number, text_name, context, return_min, return_max, default_action) \
    case ProgramType::name:                                                                         \
        return #name;
#include "spec/program_types.def"
#undef EBPF_PROGRAM_TYPE
        case ProgramType::Unspecified:
            return "Unspecified";
    }
    return "unknown";
}

inline void PrintTo(AluOp op, std::ostream* stream) {
    *stream << name_of(op);
}
inline void PrintTo(JumpOp op, std::ostream* stream) {
    *stream << name_of(op);
}
inline void PrintTo(Width width, std::ostream* stream) {
    *stream << name_of(width);
}
inline void PrintTo(ProgramType type, std::ostream* stream) {
    *stream << name_of(type);
}

}  // namespace ebpf::spec

namespace ebpf::support {

/// Names a test after its parameter, or after an operator and its width.
struct NameOfParameter {
    template <typename Info>
    std::string operator()(const Info& info) const {
        return text(info.param);
    }

  private:
    template <typename T>
    static std::string text(const T& value) {
        return std::string(name_of(value));
    }
    template <typename Op>
    static std::string text(const std::tuple<Op, spec::Width>& value) {
        return text(std::get<0>(value)) + "_" + text(std::get<1>(value));
    }
};

}  // namespace ebpf::support
