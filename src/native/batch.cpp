// SPDX-License-Identifier: MIT
#include "native/batch.hpp"

#include <utility>

#include "base/try.hpp"

namespace ebpf::native {
namespace {

constexpr std::size_t kProgramsALibrary = 400;

Result<std::shared_ptr<const ImageLibrary>> compile_and_load(const std::vector<const ProgramInput*>& programs,
                                                             const BuildOptions& options) {
    auto c = generate(programs, "a batch");
    if (!c) return std::unexpected(to_error(c.error()));
    EBPF_TRY(const auto bytes, build(*c, options));
    return ImageLibrary::load(bytes);
}

}  // namespace

Result<Batch> Batch::compile(std::span<const ProgramInput> programs, const BuildOptions& options) {
    Batch batch;
    std::vector<const ProgramInput*> pending;
    const auto finish = [&]() -> Result<void> {
        if (pending.empty()) return {};
        EBPF_TRY(auto library, compile_and_load(pending, options));
        batch.libraries_.push_back(std::move(library));
        pending.clear();
        return {};
    };
    for (const ProgramInput& program : programs) {
        const ProgramInput* const one = &program;
        Entry& entry = batch.entries_.emplace_back();
        if (const auto alone = generate({&one, 1}, ""); !alone) {
            entry.fault = alone.error();
            continue;
        }
        entry.library = batch.libraries_.size();
        entry.program = pending.size();
        pending.push_back(one);
        if (pending.size() == kProgramsALibrary) EBPF_TRY_VOID(finish());
    }
    EBPF_TRY_VOID(finish());
    return batch;
}

std::expected<engine::Image*, Fault> Batch::bind(std::size_t index, const engine::Bindings& bindings) const {
    const Entry& entry = entries_.at(index);
    if (entry.fault) return std::unexpected(*entry.fault);
    const auto& library = libraries_[entry.library];
    return native::bind(library, library->programs()[entry.program], bindings);
}

}  // namespace ebpf::native
