// SPDX-License-Identifier: MIT
#include "jit/jit.hpp"

#include <string>

#include "base/try.hpp"
#include "ir/build.hpp"
#include "ir/optimise.hpp"
#include "jit/arm64/arm64.hpp"
#include "jit/x64/x64.hpp"

namespace ebpf::jit {

bool is_supported(Architecture architecture) {
    return architecture != Architecture::Arm64 || EBPF_HAS_ARM64 != 0;
}

Result<Architecture> host_architecture() {
#if defined(__x86_64__)
    constexpr Architecture kHost =
        sizeof(long) == sizeof(int) ? Architecture::X64Windows : Architecture::X64SystemV;
#else
    constexpr Architecture kHost = Architecture::Arm64;
#endif
    if (!is_supported(kHost)) return fail(Status::NotSupported, "no code generator for this processor");
    return kHost;
}

Features detect_features() {
#if EBPF_HAS_ARM64 && defined(__aarch64__)
    return arm64::detect_features();
#else
    // Asked once: processors in virtual machines take tens of microseconds to answer.
    static const Features features = x64::detect_features();
    return features;
#endif
}

Result<Translation> generate(const ir::Module& module, const Options& options) {
    if (!is_supported(options.architecture)) {
        return fail(Status::NotSupported, "no code generator for this architecture in this build");
    }
#if EBPF_HAS_ARM64
    if (options.architecture == Architecture::Arm64) return arm64::generate(module, options);
#endif
    return x64::generate(module, options);
}

Result<Translation> translate(const isa::Code& code, const engine::Bindings& bindings,
                              std::span<const ir::Region> regions, const Options& options) {
    auto module = ir::build({code, bindings, regions});
    if (!module) return std::unexpected(ir::to_error(module.error()));
    ir::optimise(*module, bindings);
    return generate(*module, options);
}

}  // namespace ebpf::jit
