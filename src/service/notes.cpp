// SPDX-License-Identifier: MIT
#include "service/notes.hpp"

#include <utility>

namespace ebpf::service {

void Notes::add_program(std::uint32_t id, ProgramNote note) {
    const std::lock_guard lock(mutex_);
    programs_[id] = std::move(note);
}

void Notes::add_map(std::uint32_t id, std::uint32_t key_type, std::uint32_t value_type,
                    std::vector<std::byte> types) {
    const platform::Sha256 hash = platform::sha256(types);
    const std::lock_guard lock(mutex_);
    auto& known = shared_types_[hash];
    auto shared = known.lock();
    if (!shared) {
        shared = std::make_shared<const std::vector<std::byte>>(std::move(types));
        known = shared;
    }
    maps_[id] = {key_type, value_type, std::move(shared)};
}

void Notes::set_machine(std::uint32_t id, MachineNote machine) {
    const std::lock_guard lock(mutex_);
    if (const auto found = programs_.find(id); found != programs_.end())
        found->second.machine = std::move(machine);
}

ProgramNote Notes::program(std::uint32_t id) const {
    const std::lock_guard lock(mutex_);
    const auto found = programs_.find(id);
    return found == programs_.end() ? ProgramNote{} : found->second;
}

MapNote Notes::map(std::uint32_t id) const {
    const std::lock_guard lock(mutex_);
    const auto found = maps_.find(id);
    return found == maps_.end() ? MapNote{} : found->second;
}

void Notes::sweep(const IsAlive& is_program_alive, const IsAlive& is_map_alive) {
    const std::lock_guard lock(mutex_);
    std::erase_if(programs_, [&](const auto& entry) { return !is_program_alive(entry.first); });
    std::erase_if(maps_, [&](const auto& entry) { return !is_map_alive(entry.first); });
    std::erase_if(shared_types_, [](const auto& entry) { return entry.second.expired(); });
    left_by_sweep_ = programs_.size() + maps_.size();
}

bool Notes::is_sweep_due() const {
    constexpr std::size_t kAFew = 8;
    const std::lock_guard lock(mutex_);
    return programs_.size() + maps_.size() > 2 * left_by_sweep_ + kAFew;
}

}  // namespace ebpf::service
