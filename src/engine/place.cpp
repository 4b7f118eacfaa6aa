// SPDX-License-Identifier: MIT
// Machine code into executable memory.
#include <cstring>
#include <new>

#include "base/allocate.hpp"
#include "base/try.hpp"
#include "engine/machine_code.hpp"
#include "platform/executable.hpp"

namespace ebpf::engine {
namespace {

struct Placed : Image {
    std::byte* memory = nullptr;
    std::size_t code_bytes = 0;

    [[nodiscard]] decltype(Image::run) entry() const noexcept {
        return reinterpret_cast<decltype(Image::run)>(memory);
    }
};

// Invocation::call_back. Of code of ours, clang's check of function pointers finds no signature.
EBPF_RUNS_MACHINE_CODE std::uint64_t call_back(Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                               std::uint64_t r2, std::uint64_t r3,
                                               std::uint64_t r4) noexcept {
    return reinterpret_cast<HelperFunction>(code)(r1, r2, r3, r4, 0, invocation);
}

// Image::run of code that takes addresses of its functions.
EBPF_RUNS_MACHINE_CODE std::uint64_t run_with_callbacks(const Image& image, Invocation& invocation) noexcept {
    invocation.call_back = call_back;
    return static_cast<const Placed&>(image).entry()(image, invocation);
}

bool has_callbacks(const MachineCode& code) noexcept {
    for (const Relocation& relocation : code.relocations) {
        if (relocation.kind == RelocationKind::Function) return true;
    }
    return false;
}

void destroy(Image* image) noexcept {
    auto* placed = static_cast<Placed*>(image);
    platform::release_executable(placed->memory, placed->code_bytes);
    placed->~Placed();
    release(placed, sizeof(Placed), alignof(Placed));
}

template <typename Function>
std::uint64_t address_of(Function function) noexcept {
    return reinterpret_cast<std::uintptr_t>(function);
}

StatusOr<std::uint64_t> map_value(const Relocation& relocation, const MapBinding& map) noexcept {
    switch (relocation.kind) {
        case RelocationKind::MapHandle:
            return map.handle;
        case RelocationKind::MapValue:
            if (map.value_address == 0) break;
            return map.value_address + relocation.addend;
        case RelocationKind::MapLookup:
            if (map.lookup == nullptr) break;
            return address_of(map.lookup);
        case RelocationKind::Helper:
        case RelocationKind::PacketBytes:
        case RelocationKind::Function:
            return std::unexpected(Status::Malformed);
    }
    return std::unexpected(Status::NotFound);
}

Status relocate(std::byte* code, const MachineCode& source, const Bindings& bindings) noexcept {
    for (const Relocation& relocation : source.relocations) {
        const std::size_t size = source.code.size();
        if (size < sizeof(std::uint64_t) || relocation.offset > size - sizeof(std::uint64_t)) {
            return Status::Malformed;
        }
        const StatusOr<std::uint64_t> value = resolve(relocation, {code, size}, bindings);
        if (!value) return value.error();
        std::memcpy(code + relocation.offset, &*value, sizeof *value);
    }
    return Status::Ok;
}

// Fills the memory and seals it.
Status fill(std::byte* memory, const MachineCode& code, const Bindings& bindings) noexcept {
    std::memcpy(memory, code.code.data(), code.code.size());
    const Status status = relocate(memory, code, bindings);
    if (status != Status::Ok) return status;
    return platform::seal_executable(memory, code.code.size());
}

}  // namespace

StatusOr<std::uint64_t> resolve(const Relocation& relocation, std::span<const std::byte> code,
                                const Bindings& bindings) noexcept {
    switch (relocation.kind) {
        case RelocationKind::MapHandle:
        case RelocationKind::MapValue:
        case RelocationKind::MapLookup:
            if (relocation.index >= bindings.maps.size()) return std::unexpected(Status::NotFound);
            return map_value(relocation, bindings.maps[relocation.index]);
        case RelocationKind::Helper:
            for (const HelperBinding& helper : bindings.helpers) {
                if (helper.id == relocation.index && helper.function != nullptr) {
                    return address_of(helper.function);
                }
            }
            return std::unexpected(Status::NotFound);
        case RelocationKind::PacketBytes:
            return address_of(packet_bytes);
        case RelocationKind::Function:
            if (relocation.addend >= code.size()) break;
            return reinterpret_cast<std::uintptr_t>(code.data()) + relocation.addend;
    }
    return std::unexpected(Status::Malformed);
}

StatusOr<Image*> place(const MachineCode& code, const Bindings& bindings) noexcept {
    const std::size_t bytes = code.code.size();
    if (bytes == 0) return std::unexpected(Status::InvalidArgument);
    EBPF_TRY(std::byte* const memory, platform::allocate_executable(bytes));
    void* head = nullptr;
    Status status = fill(memory, code, bindings);
    if (status == Status::Ok) {
        head = allocate(sizeof(Placed), alignof(Placed));
        if (head == nullptr) status = Status::OutOfMemory;
    }
    if (status != Status::Ok) {
        platform::release_executable(memory, bytes);
        return std::unexpected(status);
    }
    auto* placed = ::new (head) Placed;
    placed->kind = EngineKind::Jit;
    placed->destroy = destroy;
    placed->bytes = sizeof(Placed) + platform::executable_bytes(bytes);
    placed->code = {memory, bytes};
    placed->memory = memory;
    placed->code_bytes = bytes;
    placed->run = has_callbacks(code) ? run_with_callbacks : placed->entry();
    return placed;
}

}  // namespace ebpf::engine
