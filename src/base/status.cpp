// SPDX-License-Identifier: MIT
#include "base/status.hpp"

namespace ebpf {

const char* status_name(Status status) noexcept {
    switch (status) {
#define EBPF_ERROR(name, number, linux_errno, text) \
    case Status::name:                              \
        return #name;
#include "base/errors.def"
#undef EBPF_ERROR
    }
    return "Unknown";
}

const char* status_text(Status status) noexcept {
    switch (status) {
#define EBPF_ERROR(name, number, linux_errno, text) \
    case Status::name:                              \
        return text;
#include "base/errors.def"
#undef EBPF_ERROR
    }
    return "unknown status";
}

int status_errno(Status status) noexcept {
    switch (status) {
#define EBPF_ERROR(name, number, linux_errno, text) \
    case Status::name:                              \
        return linux_errno;
#include "base/errors.def"
#undef EBPF_ERROR
    }
    constexpr int kEio = 5;
    return kEio;
}

}  // namespace ebpf
