// SPDX-License-Identifier: MIT
#include "kernel.hpp"

#include <fmt/format.h>

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

KernelRun run_in_kernel(const Generated& program, bool wants_log, std::uint32_t repeat) {
    KernelRun run;
    const std::uint32_t key = 0;
    const auto map = support::create_kernel_map(program.map);
    if (!map.is_open() || !support::update_kernel_map(map, &key, program.map_value.data())) {
        run.failure = fmt::format("map: {}", std::strerror(errno));
        return run;
    }
    const auto bytecode = program.bytecode();
    const std::array maps{map.get()};
    const auto loaded = support::load_kernel_program(
        {.type = spec::ProgramType::Xdp, .bytecode = bytecode, .maps = maps}, wants_log ? &run.log : nullptr);
    if (!loaded.is_open()) return run;
    run.is_loaded = true;
    run.effects.memory = program.memory;
    const auto tested = support::test_run_in_kernel(loaded, run.effects.memory, repeat);
    if (!tested) {
        run.failure = fmt::format("test run: {}", std::strerror(errno));
        return run;
    }
    run.effects.result = tested->result;
    run.run_ns = tested->mean_ns;
    run.effects.map_value.resize(program.map_value.size());
    if (!support::look_up_kernel_map(map, &key, run.effects.map_value.data())) {
        run.failure = fmt::format("map: {}", std::strerror(errno));
    }
    return run;
}

}  // namespace ebpf::oracle
