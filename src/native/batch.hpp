// SPDX-License-Identifier: MIT
// Many programs at once, for tests and measurements: starting a C compiler costs more than most programs.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "native/build.hpp"
#include "native/generate.hpp"
#include "native/load.hpp"

namespace ebpf::native {

/// Programs compiled and loaded in this process.
/// Threads: any, once it is made. Lifetime: images may outlive it.
class Batch {
  public:
    /// Translates, compiles and loads `programs`, a few hundred a library. Programs that cannot be translated
    /// are left out: bind() says why. Their hashes are not looked at. Errors: those of build() and
    /// ImageLibrary::load().
    static Result<Batch> compile(std::span<const ProgramInput> programs, const BuildOptions& options);

    /// Binds program number `index`. Errors: those of generate() and native::bind().
    [[nodiscard]] std::expected<engine::Image*, Fault> bind(std::size_t index,
                                                            const engine::Bindings& bindings) const;

  private:
    struct Entry {
        std::optional<Fault> fault;
        std::size_t library = 0;
        std::size_t program = 0;  ///< in the library
    };
    std::vector<Entry> entries_;
    std::vector<std::shared_ptr<const ImageLibrary>> libraries_;
};

}  // namespace ebpf::native
