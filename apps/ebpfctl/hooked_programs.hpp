// SPDX-License-Identifier: MIT
// The programs that a command line names for the socket hooks: of files, which are loaded, or of a context.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "client/load_object.hpp"
#include "run_command.hpp"

namespace ebpf::ctl {

/// Whether every program is one of a file.
bool are_of_files(std::span<const HookPrograms> hooks);

/// Holds handles of a context. Threads: one.
class HookedPrograms {
  public:
    /// Loads what is of files, finds what is the context's, stores Options::map_updates. Errors: NotFound,
    /// WrongKind - a program is none of its hook; those of loading and of the requests.
    Result<void> prepare(client::Client& client, const Options& options, std::span<const HookPrograms> hooks);
    /// Attaches them in the order of the command line, for as long as this object lives.
    Result<void> attach(client::Client& client);
    /// Returns them in that order for a request. They stay loaded as long as this object lives.
    Result<std::vector<protocol::TreeProgram>> for_tree(client::Client& client);
    /// Whether the next context can find them all.
    [[nodiscard]] bool are_pinned() const;

  private:
    /// A file of programs, loaded once, so that its programs share their maps.
    struct File {
        std::string path;
        object::ObjectSpec object;
        std::vector<const object::ProgramSpec*> programs;
        client::LoadedObject loaded;
    };
    /// A program at a hook: of a file, or one that was found.
    struct Wanted {
        const File* file = nullptr;
        const object::ProgramSpec* program = nullptr;
        client::Handle found;
        std::string pin;
        std::uint32_t attach_type = 0;
    };

    Result<File*> file_of(client::Client& client, const std::string& path);
    Result<void> choose(client::Client& client, const std::string& hook, const Selector& selector);
    Result<void> choose_found(client::Client& client, const std::string& hook, const Selector& selector);
    void add(File& file, const object::ProgramSpec& program);
    Result<void> load(client::Client& client, spec::Engine engine);
    Result<void> update(client::Client& client, const std::string& text);
    Result<std::optional<client::Handle>> found_map(client::Client& client, const std::string& name) const;
    static const client::Handle& handle_of(const Wanted& wanted);

    std::list<File> files_;  // Wanted points into it
    std::vector<Wanted> wanted_;
    std::vector<client::Handle> links_;
};

}  // namespace ebpf::ctl
