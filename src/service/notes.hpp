// SPDX-License-Identifier: MIT
// Notes: what tools want to know of objects but the runtime does not keep: source lines and BTF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "platform/hash.hpp"
#include "protocol/messages.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::service {

/// What a program's machine code is for, and which instruction each piece of it carries out.
struct MachineNote {
    std::uint32_t machine = 0;
    std::vector<protocol::MachineSlot> slots;  ///< ascending by offset
};

/// Source positions of a program.
struct ProgramNote {
    std::vector<verifier::SourceLine> lines;
    std::vector<verifier::Subprogram> subprograms;
    MachineNote machine;
};

/// Types of a map's keys and values, in BTF that maps of one object share.
struct MapNote {
    std::uint32_t key_type = 0;
    std::uint32_t value_type = 0;
    std::shared_ptr<const std::vector<std::byte>> types;  ///< nullptr: none
};

/// Notes by object id. Nothing that safety depends on is here.
/// Threads: any. Lifetime: a note goes when sweep() finds its object gone; ids are not used again before that
/// for practical purposes (runtime::kMaxId), and a new note replaces an old one.
class Notes {
  public:
    void add_program(std::uint32_t id, ProgramNote note);
    void add_map(std::uint32_t id, std::uint32_t key_type, std::uint32_t value_type,
                 std::vector<std::byte> types);

    /// Exchanges what a program's note says of its machine code; nothing without a note.
    void set_machine(std::uint32_t id, MachineNote machine);

    /// Returns the note, or an empty one.
    [[nodiscard]] ProgramNote program(std::uint32_t id) const;
    [[nodiscard]] MapNote map(std::uint32_t id) const;

    using IsAlive = std::function<bool(std::uint32_t id)>;
    /// Forgets what belongs to objects that are gone. Cost: a call for each note.
    void sweep(const IsAlive& is_program_alive, const IsAlive& is_map_alive);
    /// Whether there are twice as many notes as the last sweep left, and a few: sweeping then bounds what is
    /// kept for objects that are gone, at a constant cost for each note.
    [[nodiscard]] bool is_sweep_due() const;

  private:
    mutable std::mutex mutex_;
    std::map<std::uint32_t, ProgramNote> programs_;
    std::map<std::uint32_t, MapNote> maps_;
    std::map<platform::Sha256, std::weak_ptr<const std::vector<std::byte>>> shared_types_;
    std::size_t left_by_sweep_ = 0;
};

}  // namespace ebpf::service
