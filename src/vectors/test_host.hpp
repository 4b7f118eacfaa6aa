// SPDX-License-Identifier: MIT
// TestHost: everything around one program under test - memory or packet, context, maps, helpers - without a
// runtime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "ebpf/contexts.h"
#include "engine/engine.hpp"
#include "epoch/epoch.hpp"
#include "helpers/tail_target.hpp"
#include "maps/map.hpp"
#include "spec/maps.hpp"
#include "spec/programs.hpp"
#include "vectors/vector.hpp"

namespace ebpf::vectors {

/// What a program under test may use. Clock and random numbers are deterministic: they count.
/// Threads: one at a time.
class TestHost {
  public:
    /// `memory`: what r1 points to (ProgramType::Memory), or the packet.
    /// Errors: those of maps::Map::create; NotSupported - a program type without a context here.
    static Result<std::unique_ptr<TestHost>> create(spec::ProgramType type, std::span<const std::byte> memory,
                                                    std::span<const spec::MapShape> shapes);
    ~TestHost();
    TestHost(const TestHost&) = delete;
    TestHost& operator=(const TestHost&) = delete;

    [[nodiscard]] engine::Bindings bindings() const noexcept;

    /// Puts memory, packet and context back to what they were (maps keep their contents) and returns an
    /// invocation.
    engine::Invocation start() noexcept;
    /// Calls `work` inside an epoch.
    auto inside(auto&& work) {
        const epoch::ReaderScope scope(*domain_);
        return work();
    }
    /// Runs `image` inside an epoch.
    std::uint64_t run(const engine::Image& image, engine::Invocation& invocation) noexcept {
        return inside([&] { return engine::run(image, invocation); });
    }

    /// Returns memory or packet as it is now.
    [[nodiscard]] std::span<const std::byte> memory() const noexcept;
    /// Returns the host's context structure; empty for ProgramType::Memory.
    [[nodiscard]] std::span<const std::byte> context() const noexcept;
    /// Returns where the metadata before the packet starts; without any, the packet's start.
    [[nodiscard]] const void* packet_meta() const noexcept { return xdp_.data_meta; }
    [[nodiscard]] std::span<maps::Map* const> maps() const noexcept { return maps_; }

    /// Stores elements. Errors: those of maps::Map::update.
    Result<void> fill(std::uint32_t map, const MapContents& elements);
    /// Returns what a map of bytes holds; the unread records of a ring buffer by number; nothing for a prog
    /// array.
    [[nodiscard]] MapContents contents(std::uint32_t map);
    /// Puts `image`, which must outlive the host's last run, into a prog array.
    /// Errors: those of maps::exchange_program.
    Result<void> put_program(std::uint32_t map, std::uint32_t index, engine::Image& image);
    /// Returns the fields of the context that are plain numbers, as programs can see or change them.
    [[nodiscard]] std::vector<std::byte> plain_context() const;

  private:
    explicit TestHost(spec::ProgramType type) : type_(type) {}
    static void name_task(void* owner, engine::TaskPart part, engine::Task& task) noexcept;
    static std::uint64_t count_up(void* owner) noexcept;
    static std::uint32_t next_random(void* owner, engine::Invocation& invocation) noexcept;

    spec::ProgramType type_;
    std::vector<std::byte> initial_;
    std::vector<std::byte> buffer_;
    epoch::Domain* domain_ = nullptr;
    std::vector<maps::Map*> maps_;
    std::vector<engine::MapBinding> map_bindings_;
    std::deque<helpers::TailTarget> targets_;  ///< prog arrays point to its elements
    engine::Services services_;
    std::uint64_t clock_ = 0;
    ebpf_xdp_context xdp_{};
    ebpf_skb_context skb_{};
    ebpf_sock_context sock_{};
    ebpf_sock_addr_context sock_addr_{};
    ebpf_bind_context bind_{};
};

}  // namespace ebpf::vectors
