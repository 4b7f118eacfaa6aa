// SPDX-License-Identifier: MIT
#include "oracle_run.hpp"

#include <array>
#include <memory>

#include "interp/interp.hpp"
#include "isa/decode.hpp"
#include "isa/text/disassemble.hpp"
#include "lower/lower.hpp"
#include "observer.hpp"

namespace ebpf::oracle {
namespace {

std::unique_ptr<vectors::TestHost> make_host(const Generated& program) {
    const std::array shapes{program.map};
    auto host = vectors::TestHost::create(program.type, program.memory, shapes);
    if (!host) return nullptr;
    const std::uint32_t key = 0;
    (*host)->inside(
        [&] { return (*host)->maps()[0]->update(&key, program.map_value.data(), spec::kUpdateAny); });
    return std::move(*host);
}

Effects effects_of(const vectors::TestHost& host, std::uint64_t result) {
    const auto memory = host.memory();
    const auto* value = static_cast<const std::byte*>(host.maps()[0]->direct_value());
    return {result, {memory.begin(), memory.end()}, {value, value + host.maps()[0]->shape().value_size}};
}

}  // namespace

Run run_generated(const Generated& program, const verifier::Report* report) {
    Run run;
    auto code = isa::decode(program.bytecode(), spec::kAllGroups);
    if (!code) {
        run.violation = "the program does not decode";
        return run;
    }
    const auto lowered = report != nullptr ? lower::lower(*code, program.type, *report)
                                           : lower::lower(*code, program.type, program.accesses());
    if (!lowered) {
        run.violation = lowered.error().message();
        return run;
    }
    const auto host = make_host(program);
    std::uint64_t result = 0;
    run.violation = observe(*code, *host, report, result);
    run.effects = effects_of(*host, result);
    if (!run.violation.empty()) return run;

    const auto other = make_host(program);
    auto image = interp::compile(*code, other->bindings());
    if (!image) return run;
    engine::Invocation invocation = other->start();
    result = other->run(**image, invocation);
    (*image)->destroy(*image);
    run.is_equal = effects_of(*other, result) == run.effects;
    return run;
}

std::string listing(const Generated& program) {
    std::string text;
    for (std::size_t slot = 0; slot < program.code.size(); ++slot) {
        if (program.code[slot].spec().slots != 0) text += isa::listing_line(slot, program.code[slot]) + "\n";
    }
    return text;
}

}  // namespace ebpf::oracle
