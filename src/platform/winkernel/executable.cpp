// SPDX-License-Identifier: MIT
// No executable memory in a Windows driver: where memory integrity (HVCI) is on, only signed images may run,
// and what is refused there is refused everywhere. Programs are interpreted or come as signed native images.
#include "platform/executable.hpp"

#include "platform/trap.hpp"

namespace ebpf::platform {

std::size_t executable_bytes(std::size_t bytes) noexcept {
    return code_page_bytes(bytes);
}

StatusOr<std::byte*> allocate_executable(std::size_t /*bytes*/) noexcept {
    return std::unexpected(Status::NotSupported);
}

Status seal_executable(std::byte* /*code*/, std::size_t /*bytes*/) noexcept {
    return Status::NotSupported;
}

void release_executable(std::byte* /*code*/, std::size_t /*bytes*/) noexcept {}

}  // namespace ebpf::platform
