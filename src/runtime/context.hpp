// SPDX-License-Identifier: MIT
// Context: the execution context. Owns programs, maps and links; everything hangs off it, nothing is global.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "ebpf/contexts.h"
#include "ebpf/hook_provider.h"
#include "engine/engine.hpp"
#include "runtime/objects.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"

namespace ebpf::runtime {

class Reason;
struct ProviderIdentity;

/// Largest id, Linux's; numbers start again at 1 behind it, leaving out those in use.
inline constexpr std::uint32_t kMaxId = 0x7fffffff;

/// A program that was verified and compiled; the caller vouches that `image` is of exactly the verified
/// bytes.
struct ProgramDefinition {
    const char* name = "";  ///< copied; longer names are cut to kNameBytes - 1
    spec::ProgramType type = spec::ProgramType::Unspecified;
    std::uint32_t attach_type = 0;
    engine::Image* image = nullptr;        ///< ownership passes, also on failure
    Dependency dependency;                 ///< of the image; ownership passes, also on failure
    std::span<const Ref<MapObject>> maps;  ///< kept alive as long as the program
    std::span<const std::byte> bytecode;   ///< as verified (xlated, before lowering); copied
    std::uint8_t tag[kTagBytes] = {};      ///< first bytes of the SHA-256 of the bytecode
    std::uint64_t memory_length = 0;       ///< ProgramType::Memory
    ChainPlace place;                      ///< unless its link says otherwise
    bool is_gpl_compatible = false;
    std::uint32_t creator_uid = 0;
};

struct ContextOptions {
    std::uint32_t slots = 0;  ///< per-CPU slots; 0: the host's number of possible CPUs
    /// Takes a line of trace_printk (no NUL, no line feed added). Called on hook threads inside an epoch: it
    /// must not block and must not call the context. nullptr: lines are dropped.
    void (*trace)(void* owner, const char* text, std::size_t bytes) noexcept = nullptr;
    void* trace_owner = nullptr;
};

/// A thread that invokes programs: the context it invokes for, its slot while in a batch, and an Invocation
/// whose constant part is filled in once. For Batch and src/runtime only.
struct InvokingThread {
    State* state = nullptr;
    epoch::Slot slot = 0;
    engine::Invocation invocation;
};

// Contexts with a packet begin alike.
static_assert(offsetof(ebpf_xdp_context, data) == offsetof(ebpf_skb_context, data));
static_assert(offsetof(ebpf_xdp_context, data_end) == offsetof(ebpf_skb_context, data_end));

/// Lets an invocation see a context structure of any type but Memory. Requires: its r2 is 0.
inline void set_packet(engine::Invocation& invocation, void* context) noexcept {
    auto* packet = static_cast<ebpf_xdp_context*>(context);
    invocation.context = context;
    invocation.packet_data = &packet->data;
    invocation.packet_data_end = &packet->data_end;
}

/// The execution context.
/// Threads: any for every member unless said otherwise; invocations take no locks. No member may be called
/// from inside an epoch of the context, thus not from helpers, trace or a provider's counters().
class Context {
  public:
    /// Makes an empty context. Errors: OutOfMemory, Environment - the host gives no random bytes.
    static StatusOr<Context*> create(const ContextOptions& options) noexcept;
    /// Drops pins, detaches every link, frees everything. Requires: no other call, no invocation and no Ref
    /// outside.
    static void destroy(Context* context) noexcept;

    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    /// Number of per-CPU slots: what get_smp_processor_id stays below, and the length of per-CPU data.
    [[nodiscard]] std::uint32_t slots() const noexcept;

    /// Makes a map. Errors: those of maps::validate_shape(), OutOfMemory.
    StatusOr<Ref<MapObject>> create_map(const spec::MapShape& shape, const char* name,
                                        std::uint32_t creator_uid) noexcept;
    /// Returns a number for a program type that is in no table; none is given twice. Errors: NoSpace.
    StatusOr<spec::ProgramType> add_program_type() noexcept;
    /// Publishes a program.
    /// Errors: OutOfMemory; InvalidArgument - no image, unknown type, an empty map reference, or a prog array
    ///   among the maps belongs to other programs (see MapObject::put_program()).
    StatusOr<Ref<ProgramObject>> add_program(const ProgramDefinition& definition) noexcept;
    /// Attaches `program` through the provider of its program type and request.attach_type, beside those that
    /// are at the same attach point. On failure `reason` holds NUL-terminated text. May block as long as the
    /// provider does.
    /// Errors: VersionMismatch - the request's version or size; InvalidArgument - the program was made for
    ///   another attach type, request.flags are not those of the programs that are there, or the hook knows
    ///   no chain-call actions; NotSupported - no provider; AlreadyExists - the program is there; Busy,
    ///   LimitExceeded - the hook takes one program at a place, or no more than there are; OutOfMemory; those
    ///   of the provider, by errno.
    StatusOr<Ref<LinkObject>> create_link(const Ref<ProgramObject>& program,
                                          const ebpf_attach_request& request, std::span<char> reason,
                                          const ChainPlace& place = {}) noexcept;
    /// Replaces the program of a link; priority, chain-call actions and counters are the link's and stay.
    /// Every invocation runs either the old or the new one, and those that begin after the return the new
    /// one; a call of invoke_all() is one for each context. Errors: InvalidArgument - program type or attach
    /// type differs from the old one's; AlreadyExists -
    ///   another link has the program at the same attach point; NotAttached.
    Status update_link(LinkObject& link, const Ref<ProgramObject>& program) noexcept;
    /// Detaches now, although references may remain: when it returns the program does not run any more. May
    /// block.
    /// Errors: NotAttached - also while another thread detaches.
    Status detach(LinkObject& link) noexcept;

    /// Finds by id; NotFound also for an object that is going away.
    StatusOr<Ref<MapObject>> find_map(std::uint32_t id) noexcept;
    StatusOr<Ref<ProgramObject>> find_program(std::uint32_t id) noexcept;
    StatusOr<Ref<LinkObject>> find_link(std::uint32_t id) noexcept;
    /// Returns the smallest id of `kind` above `after`, or NotFound.
    StatusOr<std::uint32_t> next_id(ObjectKind kind, std::uint32_t after) noexcept;

    /// Gives an object a name that keeps it alive.
    /// Errors: AlreadyExists; InvalidArgument - no object, no path, or more than kMaxPinBytes with the NUL;
    ///   OutOfMemory.
    Status pin(const char* path, const Ref<Object>& object) noexcept;
    /// Takes a name away. Errors: NotFound.
    Status unpin(const char* path) noexcept;
    /// Errors: NotFound.
    StatusOr<Ref<Object>> find_pin(const char* path) noexcept;
    /// Finds the pin after `after` in byte order (empty: the first) and copies its name with NUL to `path`.
    /// Errors: NotFound; TooBig - `path` is too short (kMaxPinBytes always suffices).
    StatusOr<Ref<Object>> next_pin(const char* after, std::span<char> path) noexcept;

    /// Runs `program` once on the calling thread with a slot leased for the call, waiting for a slot while
    /// all are in use. `host_context` is the host structure of the program type (include/ebpf/contexts.h);
    /// ProgramType::Memory: the address of the memory itself, and `r2` must be the length that the program
    /// was verified for; else 0.
    /// Requires: host_context is not nullptr. Errors: InvalidArgument - r2.
    StatusOr<std::uint64_t> run(ProgramObject& program, void* host_context, std::uint64_t r2) noexcept;

    /// The functions that links of programs of `type` are invoked with.
    static const ebpf_hook_dispatch& dispatch(spec::ProgramType type) noexcept;
    /// Makes the calling thread known as ebpf_hook_dispatch::thread_enter() does, for links to come;
    /// thread_leave() forgets it. Errors: OutOfMemory.
    StatusOr<ebpf_hook_thread*> enter_thread() noexcept;
    /// Waits until all invocations that are under way have ended. Requires: not called inside one or a batch.
    void wait_for_invocations() noexcept;

    /// Switches the measuring of run times on or off (BPF_ENABLE_STATS); run counts are always kept.
    void set_stats_enabled(bool enabled) noexcept;
    [[nodiscard]] bool is_stats_enabled() const noexcept;

    /// Adds a hook. If it is one that was unregistered, unchanged, its links that are left are attached
    /// again; those that the provider refuses stay suspended. May block as long as the provider does. Errors:
    /// VersionMismatch - version or size is not ours; InvalidArgument - name, attach or detach is
    ///   missing, or `combine` or `max_programs` is not in the ABI; AlreadyExists - its program and attach
    ///   type has one; OutOfMemory.
    Status register_provider(const ebpf_hook_provider* provider) noexcept;
    /// Returns what the registered hook called `name` is. Errors: NotFound.
    StatusOr<ProviderIdentity> find_hook(const char* name) noexcept;
    /// Refuses further links, suspends the provider's links, then forgets it: nothing calls it after Ok.
    /// Errors: NotFound; Busy - another thread is inside its attach() or detach(): call again, nothing new
    ///   gets in meanwhile.
    Status unregister_provider(const ebpf_hook_provider* provider) noexcept;

  private:
    friend struct State;
    friend class Batch;
    explicit Context(State& state) noexcept : state_(&state) {}
    ~Context() = default;

    /// Attaches the point of a link that joined it first. On failure the link is gone.
    Status attach_first(LinkObject& link, Reason& reason) noexcept;
    /// Attaches the points that waited for a provider.
    void resume_links(const ebpf_hook_provider* table) noexcept;

    State* state_;
};

/// Runs programs of a context one after the other on the calling thread: what Context::run() does around
/// every run is done once. Like a hook's batch it must be short, and nothing may be waited for in it: there
/// are as many slots as the context was made with, others wait for them, and nothing that programs see is
/// freed before it ends. Threads: the one that made it. Lifetime: must not outlive the context; no member of
/// the context may be called meanwhile on this thread. Whether run times are measured is asked when it
/// begins.
class Batch {
  public:
    /// Leases a slot, waiting while all are in use.
    explicit Batch(Context& context) noexcept;
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    /// Runs `program` once, as Context::run() does. Errors: InvalidArgument - r2.
    StatusOr<std::uint64_t> run(const ProgramObject& program, void* host_context, std::uint64_t r2) noexcept {
        const bool is_usual = program.type() != spec::ProgramType::Memory && r2 == 0 && !is_timed_;
        if (!is_usual) [[unlikely]]
            return run_unusual(program, host_context, r2);
        return run_usual(program, host_context);
    }
    /// Runs `program` on each of the contexts, in order; results[i] becomes what it returns for
    /// host_contexts[i]. Costs less than as many runs one by one. Errors: InvalidArgument - r2, or not as
    /// many
    ///   results as contexts; nothing has run then.
    Status run_all(const ProgramObject& program, std::span<void* const> host_contexts, std::uint64_t r2,
                   std::span<std::uint64_t> results) noexcept;

  private:
    // In place, so that running a program costs little more than calling its image.
    EBPF_RUNS_MACHINE_CODE std::uint64_t run_usual(const ProgramObject& program,
                                                   void* host_context) noexcept {
        engine::Invocation& invocation = thread_.invocation;
        invocation.r2 = 0;
        set_packet(invocation, host_context);
        invocation.tail_calls = 0;
        std::atomic<std::uint64_t>& runs = program.counters_[thread_.slot].runs;
        runs.store(runs.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return engine::run(program.image(), invocation);
    }
    StatusOr<std::uint64_t> run_unusual(const ProgramObject& program, void* host_context,
                                        std::uint64_t r2) noexcept;

    InvokingThread thread_;
    bool is_timed_;
};

}  // namespace ebpf::runtime
