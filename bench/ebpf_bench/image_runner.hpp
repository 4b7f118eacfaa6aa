// SPDX-License-Identifier: MIT
// Runs images of this project's engines with maps of src/maps and the helpers of src/helpers.
#pragma once

#include <functional>
#include <memory>

#include "engine/engine.hpp"
#include "runner.hpp"
#include "vectors/test_host.hpp"

namespace ebpf::bench {

/// Makes an image of a subject, bound to `bindings`; `code_bytes` becomes the size of its code.
using Compile = std::function<Result<engine::Image*>(const Subject& subject, const engine::Bindings& bindings,
                                                     std::size_t& code_bytes)>;

/// The same for a program that makes no memory accesses.
using PlainCompile =
    std::function<Result<engine::Image*>(const isa::Code& code, const engine::Bindings& bindings)>;
struct PlainCompiler {
    std::string title;
    PlainCompile compile;
};

/// The engines that make images, by title.
std::vector<PlainCompiler> image_compilers();

/// Puts the first contents of the subject's maps into the (empty) maps of `host`.
Result<void> fill_maps(const Subject& subject, vectors::TestHost& host);

/// Compiles the subject (many times, to measure that) and makes its host.
Result<std::unique_ptr<Runner>> prepare_image(const Subject& subject, const Compile& compile);

}  // namespace ebpf::bench
