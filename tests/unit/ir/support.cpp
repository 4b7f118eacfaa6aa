// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "interp/interp.hpp"
#include "ir/dump.hpp"
#include "ir/evaluate.hpp"
#include "ir/validate.hpp"
#include "isa/decode.hpp"
#include "isa/text/assemble.hpp"
#include "lower/lower.hpp"
#include "maps/map.hpp"
#include "maps/region.hpp"
#include "vectors/run.hpp"
#include "vectors/verdict.hpp"

namespace ebpf::ir::test {
namespace {

namespace fs = std::filesystem;

void* look_up(std::uint64_t map, const void* key) noexcept {
    return reinterpret_cast<maps::Map*>(static_cast<std::uintptr_t>(map))->lookup(key);
}

bool accept(Program& program, const verifier::Request& request) {
    const verifier::Report report = verifier::verify(request);
    if (report.verdict != verifier::Verdict::Accept) return true;
    program.regions = lower::regions_of(report.accesses);
    return lower::lower(program.code, program.type, report).has_value();
}

}  // namespace

Host::Host(const Program& program) {
    auto host = vectors::TestHost::create(program.type, program.memory, program.maps);
    if (!host) throw std::runtime_error(host.error().message());
    host_ = std::move(*host);
    for (maps::Map* map : host_->maps()) {
        engine::MapBinding binding;
        binding.handle = reinterpret_cast<std::uintptr_t>(map);
        binding.value_address = reinterpret_cast<std::uintptr_t>(map->direct_value());
        binding.shape = map->shape();
        if (binding.value_address != 0)
            binding.element_stride =
                reinterpret_cast<const maps::RegionHeader*>(map->region().data())->element_stride;
        if (binding.shape.type == spec::MapType::Hash) binding.lookup = look_up;
        binding.hash_table = reinterpret_cast<std::uintptr_t>(map->hash_table());
        maps_.push_back(binding);
    }
    if (program.first_value.empty() || maps_.empty()) return;
    const std::uint32_t key = 0;
    host_->inside(
        [&] { return host_->maps()[0]->update(&key, program.first_value.data(), spec::kUpdateAny); });
}

engine::Bindings Host::bindings() const {
    return {.maps = maps_, .helpers = host_->bindings().helpers};
}

Effects Host::effects_of(const std::function<std::uint64_t(engine::Invocation&)>& run) {
    Effects effects;
    engine::Invocation invocation = host_->start();
    host_->inside([&] {
        effects.result = run(invocation);
        const auto memory = host_->memory();
        effects.memory.assign(memory.begin(), memory.end());
        return 0;
    });
    for (std::uint32_t i = 0; i < host_->maps().size(); ++i) {
        std::vector<std::byte>& all = effects.maps.emplace_back();
        for (const vectors::MapElement& element : host_->contents(i)) {
            all.insert(all.end(), element.key.begin(), element.key.end());
            all.insert(all.end(), element.value.begin(), element.value.end());
        }
    }
    return effects;
}

Program assemble(std::string_view text, std::vector<spec::MapShape> maps, std::size_t memory_bytes,
                 spec::ProgramType type) {
    vectors::Vector vector;
    vector.assembly = std::string(text);
    vector.maps = std::move(maps);
    vector.type = type;
    for (std::size_t i = 0; i < memory_bytes; ++i)
        vector.memory.push_back(static_cast<std::byte>(i * 37 + 11));
    auto program = program_of(vector);
    if (!program) throw std::runtime_error(fmt::format("does not assemble:\n{}", text));
    return std::move(*program);
}

std::unique_ptr<Program> program_of(const vectors::Vector& vector) {
    const auto bytes = vectors::encode(vector);
    if (!bytes) return nullptr;
    auto code = isa::decode(*bytes, vector.groups);
    if (!code) return nullptr;
    auto program = std::make_unique<Program>();
    program->name = fmt::format("{}:{} {}", vector.file, vector.line, vector.name);
    program->code = std::move(*code);
    program->type = vector.type;
    program->memory = vector.memory;
    program->maps = vector.maps;
    return accept(*program, vectors::make_request(vector, *bytes)) ? std::move(program) : nullptr;
}

Effects interpret(const Program& program) {
    Host host(program);
    auto image = interp::compile(program.code, host.bindings());
    if (!image) return {.error = std::string(status_name(image.error()))};
    auto effects =
        host.effects_of([&](engine::Invocation& invocation) { return (*image)->run(**image, invocation); });
    (*image)->destroy(*image);
    return effects;
}

Effects evaluate(const Program& program, const Transform& transform) {
    Host host(program);
    const engine::Bindings bindings = host.bindings();
    auto module = build({program.code, bindings, program.regions});
    if (!module) return {.error = std::string(status_name(module.error().status))};
    if (transform) transform(*module, bindings);
    if (const std::string error = validate(*module); !error.empty())
        return {.error = error + "\n" + dump(*module)};
    Status status = Status::Ok;
    auto effects = host.effects_of([&](engine::Invocation& invocation) {
        const auto result = ir::evaluate(*module, bindings, invocation);
        status = result ? Status::Ok : result.error();
        return result.value_or(0);
    });
    if (status != Status::Ok) effects.error = std::string(status_name(status));
    return effects;
}

Module make_module(const Program& program, const Transform& transform) {
    const Host host(program);
    const engine::Bindings bindings = host.bindings();
    auto module = build({program.code, bindings, program.regions});
    if (!module) {
        ADD_FAILURE() << to_error(module.error()).message();
        return {};
    }
    if (transform) transform(*module, bindings);
    EXPECT_EQ(validate(*module), "") << dump(*module);
    return std::move(*module);
}

std::size_t count(const Module& module, Opcode opcode) {
    std::size_t total = 0;
    for (const Function& function : module.functions)
        total += static_cast<std::size_t>(std::ranges::count(function.nodes, opcode, &Node::opcode));
    return total;
}

std::vector<std::unique_ptr<Program>> all_vectors() {
    std::vector<std::unique_ptr<Program>> programs;
    std::vector<fs::path> files;
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(EBPF_SOURCE_DIR) / "tests" / "vectors")) {
        if (entry.path().extension() == ".bpft") files.push_back(entry.path());
    }
    std::ranges::sort(files);
    for (const fs::path& file : files) {
        std::stringstream text;
        text << std::ifstream(file, std::ios::binary).rdbuf();
        const auto parsed = vectors::parse_vectors(text.str(), file.filename().string());
        if (!parsed) throw std::runtime_error(parsed.error().message());
        for (const vectors::Vector& vector : *parsed) {
            if ((!vector.result && !vector.error) || vectors::excludes(vector, "ir")) continue;
            if (auto program = program_of(vector)) programs.push_back(std::move(program));
        }
    }
    return programs;
}

}  // namespace ebpf::ir::test
