// SPDX-License-Identifier: MIT
#include "kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "kernel_bpf.hpp"

namespace ebpf::oracle {

std::optional<std::string> kernel_refuses() {
    const std::array<std::uint64_t, 2> program{0x00000000000000b7, 0x0000000000000095};
    std::string log;
    const support::KernelProgram question{
        .type = spec::ProgramType::Xdp, .bytecode = std::as_bytes(std::span(program)), .maps = {}};
    if (support::load_kernel_program(question, &log).is_open()) return std::nullopt;
    return "bpf() is refused here: " + log;
}

namespace {

using support::FileDescriptor;

// The kernel takes the first bytes of a socket filter's input for a link header that the filter does not see.
constexpr std::size_t kLinkHeaderBytes = 14;

std::optional<FileDescriptor> make_map(const MapSetup& setup) {
    FileDescriptor map = support::create_kernel_map(setup.shape);
    if (!map.is_open()) return std::nullopt;
    for (const auto& element : setup.contents) {
        if (!support::update_kernel_map(map, element.key.data(), element.value.data())) return std::nullopt;
    }
    return map;
}

MapContents contents_of(const FileDescriptor& map, const spec::MapShape& shape) {
    MapContents all;
    if (shape.type == spec::MapType::ProgArray) return all;
    Bytes key(shape.key_size);
    Bytes previous;
    while (support::next_kernel_key(map, previous.empty() ? nullptr : previous.data(), key.data())) {
        vectors::MapElement element{key, Bytes(shape.value_size)};
        if (support::look_up_kernel_map(map, key.data(), element.value.data()))
            all.push_back(std::move(element));
        previous = key;
    }
    std::ranges::sort(all, {}, &vectors::MapElement::key);
    return all;
}

/// The maps and programs of a run; they go with it.
struct Loaded {
    std::vector<FileDescriptor> maps;
    std::vector<int> map_numbers;
    FileDescriptor program;
    std::vector<FileDescriptor> targets;
};

/// Returns what failed; empty: nothing.
std::string create_maps(Loaded& loaded, const Generated& program) {
    for (const MapSetup& setup : program.maps) {
        auto map = make_map(setup);
        if (!map) return fmt::format("map {}: {}", loaded.maps.size(), std::strerror(errno));
        loaded.map_numbers.push_back(map->get());
        loaded.maps.push_back(std::move(*map));
    }
    return {};
}

FileDescriptor load(const Loaded& loaded, const Generated& program, const Body& body, std::string* log) {
    const Bytes bytecode = body.bytecode();
    return support::load_kernel_program(
        {.type = program.type, .bytecode = bytecode, .maps = loaded.map_numbers}, log);
}

bool load_all(Loaded& loaded, const Generated& program, std::string* log) {
    loaded.program = load(loaded, program, program, log);
    if (!loaded.program.is_open()) return false;
    for (const Target& target : program.targets) {
        FileDescriptor& fd = loaded.targets.emplace_back(load(loaded, program, target.body, log));
        const int number = fd.get();
        if (!fd.is_open() || !support::update_kernel_map(loaded.maps[target.map], &target.index, &number))
            return false;
    }
    return true;
}

}  // namespace

KernelRun run_in_kernel(const Generated& program, bool wants_log, std::uint32_t repeat) {
    KernelRun run;
    Loaded loaded;
    run.failure = create_maps(loaded, program);
    if (!run.failure.empty()) return run;
    run.is_loaded = load_all(loaded, program, wants_log ? &run.log : nullptr);
    if (!run.is_loaded) return run;
    const std::size_t hidden = program.type == spec::ProgramType::SocketFilter ? kLinkHeaderBytes : 0;
    Bytes packet(hidden);
    packet.insert(packet.end(), program.memory.begin(), program.memory.end());
    const auto tested = support::test_run_in_kernel(loaded.program, packet, repeat);
    if (!tested) {
        run.failure = fmt::format("test run: {}", std::strerror(errno));
        return run;
    }
    run.effects.memory.assign(packet.begin() + static_cast<std::ptrdiff_t>(hidden), packet.end());
    run.effects.result = tested->result;
    run.run_ns = tested->mean_ns;
    for (std::size_t i = 0; i < loaded.maps.size(); ++i)
        run.effects.maps.push_back(contents_of(loaded.maps[i], program.maps[i].shape));
    return run;
}

}  // namespace ebpf::oracle
