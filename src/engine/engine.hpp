// SPDX-License-Identifier: MIT
// The contract that every engine implements: lowered code and bindings in, an Image that can be invoked out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "isa/instruction.hpp"
#include "spec/maps.hpp"

// clang's check of function pointers reads a signature ahead of the code, which machine code of ours lacks.
#if defined(__clang__)
#define EBPF_RUNS_MACHINE_CODE [[clang::no_sanitize("function")]]
#else
#define EBPF_RUNS_MACHINE_CODE
#endif

namespace ebpf::engine {

struct Invocation;
struct Image;

/// A helper as engines call it: r1..r5 and the invocation; returns r0. Called inside the invocation's epoch.
using HelperFunction = std::uint64_t (*)(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3,
                                         std::uint64_t r4, std::uint64_t r5, Invocation& invocation) noexcept;

struct HelperBinding {
    std::uint32_t id = 0;
    HelperFunction function = nullptr;
    bool is_tail_call = false;
};

/// The lookup function of one map: `map` is MapBinding::handle. Called inside the invocation's epoch.
using MapLookupFunction = void* (*)(std::uint64_t map, const void* key) noexcept;

/// What LoadImm64 MapIndex and MapIndexValue become, and what an engine needs for access without a helper.
struct MapBinding {
    std::uint64_t handle = 0;         ///< what helpers take as their Map argument: address of a maps::Map
    std::uint64_t value_address = 0;  ///< address of element 0's value for MapIndexValue; 0: not allowed
    spec::MapShape shape{};
    std::uint32_t element_stride = 0;    ///< arrays: bytes from one value to the next; else 0
    MapLookupFunction lookup = nullptr;  ///< nullptr: only through the helper
    std::uint64_t hash_table = 0;        ///< hash maps: address of a maps::HashTable; 0: only by calls
};

struct Bindings {
    std::span<const MapBinding> maps;        ///< by index
    std::span<const HelperBinding> helpers;  ///< any order
};

/// For whom a program runs, in the form of bpf_get_current_*.
struct Task {
    std::uint64_t pid_tgid = 0;  ///< process in the upper half, thread in the lower one
    std::uint64_t uid_gid = 0;   ///< group in the upper half, user in the lower one
    char name[16] = {};          ///< ends with a NUL
};

/// What is wanted of a Task: finding out costs system calls.
enum class TaskPart : std::uint8_t { Ids, User, Name };

/// What helpers may ask of the host that runs them; the runtime fills it in.
struct Services {
    std::uint64_t (*monotonic_ns)(void* owner) noexcept = nullptr;
    std::uint32_t (*random_u32)(void* owner, Invocation& invocation) noexcept = nullptr;
    void (*trace)(void* owner, const char* text, std::size_t bytes) noexcept = nullptr;
    void* owner = nullptr;
    /// Fills in a part of the calling thread's Task.
    void (*current_task)(void* owner, TaskPart part, Task& task) noexcept = nullptr;
};

/// Runs a function of the program that is running, for a helper that its contract lets call back: `code` is
/// the argument register that held the function's address, r1 to r4 are what the function starts with (its r5
/// and others hold nothing); returns its r0. The function has its own frame below that of the helper's
/// caller. Called in the thread and inside the epoch of the run, by helpers only; it may be nested in itself,
/// as deep as the verifier has proven. What LoadImm64 CodeAddress becomes is the engine's own; it is never 0.
using CallbackFunction = std::uint64_t (*)(Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                                           std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept;

/// One run of a program. Made by the runtime on the stack of the invoking thread.
struct Invocation {
    void* context = nullptr;  ///< host structure of include/ebpf/contexts.h; r1 at entry unless `memory`
    std::uint64_t r2 = 0;     ///< r2 at entry (ProgramType::Memory: length), else 0
    std::uint8_t** packet_data =
        nullptr;  ///< where the packet's start is kept, for PacketAbs/PacketInd; or nullptr
    std::uint8_t** packet_data_end = nullptr;
    const Services* services = nullptr;
    std::uint32_t slot = 0;        ///< per-CPU slot leased by the invoking thread
    std::uint32_t tail_calls = 0;  ///< made so far
    /// Set by the tail_call helper. An image that returns with it set has ended in a tail call to it, and
    /// what it returned does not count; an engine may as well go on there itself and clear it. See run().
    const Image* tail_target = nullptr;
    /// Set by image->run() of a program that takes addresses of code (spec::WideKind::CodeAddress), for its
    /// time.
    CallbackFunction call_back = nullptr;
    void* engine_state = nullptr;  ///< the engine's own, for call_back
    const Task* task = nullptr;  ///< for whom it runs, where a hook says so; nullptr: for the invoking thread
};

enum class EngineKind : std::uint8_t { Interpreter, Jit, Native };

/// An executable program. Immutable after compile(); freed through `destroy` once no epoch can hold it.
struct Image {
    EngineKind kind = EngineKind::Interpreter;
    std::uint64_t (*run)(const Image& image, Invocation& invocation) noexcept = nullptr;
    void (*destroy)(Image* image) noexcept = nullptr;
    std::size_t bytes = 0;            ///< memory of the image
    std::span<const std::byte> code;  ///< its machine code, where the engine has any that can be shown
};

/// The rest of run() when a run has ended in a tail call.
std::uint64_t run_tail_calls(Invocation& invocation) noexcept;

/// Runs `image` and, by tail calls, those after it; returns the last one's result. Everybody who runs
/// programs calls this. Requires: inside the invocation's epoch; tail_target is nullptr.
EBPF_RUNS_MACHINE_CODE inline std::uint64_t run(const Image& image, Invocation& invocation) noexcept {
    const std::uint64_t result = image.run(image, invocation);
    if (invocation.tail_target != nullptr) [[unlikely]]
        return run_tail_calls(invocation);
    return result;
}

/// Returns the packet's bytes [offset, offset + size), or nullptr if it has not got them: what PacketAbs and
/// PacketInd read. Offsets below zero, through which Linux reaches link and network headers, count as
/// outside. Source: Linux kernel/bpf/verifier.c and net/core/filter.c (bpf_gen_ld_abs).
const std::uint8_t* packet_bytes(const Invocation& invocation, std::int64_t offset,
                                 std::size_t size) noexcept;

}  // namespace ebpf::engine
