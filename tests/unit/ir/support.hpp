// SPDX-License-Identifier: MIT
// Programs with all that they need to run, and what runs of them leave behind: by the interpreter, and as
// intermediate form.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/build.hpp"
#include "isa/instruction.hpp"
#include "spec/maps.hpp"
#include "vectors/test_host.hpp"
#include "vectors/vector.hpp"
#include "verifier/verifier.hpp"

namespace ebpf::ir::test {

struct Program {
    std::string name;
    isa::Code code;               ///< lowered
    std::vector<Region> regions;  ///< empty if the verifier did not accept the program
    spec::ProgramType type = spec::ProgramType::Memory;
    std::vector<std::byte> memory;
    std::vector<spec::MapShape> maps;
    std::vector<std::byte> first_value;  ///< contents of map 0's element 0 at the start, if any
};

/// What a run leaves behind.
struct Effects {
    std::uint64_t result = 0;
    std::string error{};
    std::vector<std::byte> memory{};
    std::vector<std::vector<std::byte>> maps{};  ///< keys and values of each map
    friend bool operator==(const Effects&, const Effects&) = default;
};

/// A test host whose bindings say everything that engines may use.
class Host {
  public:
    explicit Host(const Program& program);
    [[nodiscard]] engine::Bindings bindings() const;
    vectors::TestHost& operator*() { return *host_; }
    /// Runs `run` with an invocation inside an epoch and collects what it left behind.
    Effects effects_of(const std::function<std::uint64_t(engine::Invocation&)>& run);

  private:
    std::unique_ptr<vectors::TestHost> host_;
    std::vector<engine::MapBinding> maps_;
};

/// What is done to a module before it runs.
using Transform = std::function<void(Module&, const engine::Bindings&)>;

/// Assembles text as a program on `memory_bytes` bytes of memory, with regions if the verifier accepts it.
Program assemble(std::string_view text, std::vector<spec::MapShape> maps = {}, std::size_t memory_bytes = 64,
                 spec::ProgramType type = spec::ProgramType::Memory);

/// Makes the program of a vector; nullptr if it does not decode or lower.
std::unique_ptr<Program> program_of(const vectors::Vector& vector);

Effects interpret(const Program& program);
/// Builds, transforms, validates and evaluates. `error` is set if anything but the program fails.
Effects evaluate(const Program& program, const Transform& transform = {});

/// Builds and transforms. Fails the test if the result is invalid.
Module make_module(const Program& program, const Transform& transform = {});

/// Returns how many nodes of an opcode there are in all functions.
std::size_t count(const Module& module, Opcode opcode);

/// All vectors below tests/vectors that decode.
std::vector<std::unique_ptr<Program>> all_vectors();

}  // namespace ebpf::ir::test
