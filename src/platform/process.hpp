// SPDX-License-Identifier: MIT
// Other programs, and a folder for what passes between them and this one. Host part: not in the kernel set.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace ebpf::platform {

struct Ended {
    int exit_code = 0;
    std::string output;  ///< what it printed, both streams, cut to kMaxOutputBytes
};
inline constexpr std::size_t kMaxOutputBytes = 65536;

/// Runs a program and waits for its end. `arguments`: the program, by path or to be found in PATH, then its
/// arguments. `output_file` is where its output goes while it runs; it stays. Errors: NotFound - there is no
/// such program; Environment - it could not be started, or was ended by a signal. Threads: any.
Result<Ended> run_program(const std::vector<std::string>& arguments, const std::string& output_file);

/// An empty folder of this process that goes, with all in it, when the object goes. Signals that ask
/// the process to end wait until then. Threads: one at a time; signals are held back from the making thread
/// only, so that this is for programs with one thread, or threads that get no signals.
class TemporaryFolder {
  public:
    /// Errors: Environment.
    static Result<TemporaryFolder> create();
    TemporaryFolder(TemporaryFolder&& other) noexcept;
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    struct State;
    TemporaryFolder(std::string path, State* state) : path_(std::move(path)), state_(state) {}

    std::string path_;
    State* state_;
};

/// Writes `bytes` to the file at `path`, which is replaced as a whole or not at all. Errors: NotFound,
/// AccessDenied, Environment.
Result<void> write_file(const std::string& path, std::string_view bytes);

}  // namespace ebpf::platform
