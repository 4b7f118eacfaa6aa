// SPDX-License-Identifier: MIT
// Embedding in C++: classes over ebpf/embed.h that free what they hold and throw Error where C returns an
// errno. Header only, C++17. Threads and costs: as there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ebpf/embed.h"

namespace ebpf::embed {

/// A function of ebpf/embed.h failed: code() is its errno, positive; what() the reason.
class Error : public std::runtime_error {
  public:
    Error(int code, const std::string& reason) : std::runtime_error(reason), code_(code) {}
    [[nodiscard]] int code() const noexcept { return code_; }

  private:
    int code_;
};

namespace detail {

/// Calls a function that takes (reason, reason_bytes) last.
template <typename Function>
void check(Function function) {
    std::array<char, EBPF_REASON_BYTES> reason{};
    const int code = function(reason.data(), reason.size());
    if (code != 0) throw Error(-code, reason.data());
}

template <auto kFree>
struct Free {
    template <typename T>
    void operator()(T* handle) const noexcept {
        kFree(handle);
    }
};

}  // namespace detail

/// A map of an object, with keys K and values V: plain data of the map's sizes.
template <typename K, typename V>
class Map {
  public:
    Map(const ebpf_object* object, const char* name) {
        ebpf_map* map = nullptr;
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_map_open(object, name, &map, reason, bytes);
        });
        map_.reset(map);
        if (ebpf_map_key_bytes(map) != sizeof(K) || ebpf_map_value_bytes(map) != sizeof(V)) {
            constexpr int kInvalid = 22;
            throw Error(kInvalid, std::string("map '") + name + "' has keys or values of another size");
        }
    }

    [[nodiscard]] std::optional<V> lookup(const K& key) const {
        V value;
        if (ebpf_map_lookup(map_.get(), &key, &value) != 0) return std::nullopt;
        return value;
    }
    void update(const K& key, const V& value, std::uint64_t flags = 0) {
        if (const int code = ebpf_map_update(map_.get(), &key, &value, flags); code != 0)
            throw Error(-code, "map update");
    }
    bool erase(const K& key) { return ebpf_map_delete(map_.get(), &key) == 0; }
    /// Calls function(key, value) for the elements that are there.
    template <typename Function>
    void for_each(Function function) const {
        K key;
        for (int code = ebpf_map_next_key(map_.get(), nullptr, &key); code == 0;) {
            if (const std::optional<V> value = lookup(key)) function(key, *value);
            const K before = key;
            code = ebpf_map_next_key(map_.get(), &before, &key);
        }
    }

  private:
    std::unique_ptr<ebpf_map, detail::Free<ebpf_map_close>> map_;
};

/// An object file's programs and maps.
class Object {
  public:
    explicit Object(ebpf_object* object) : object_(object) {}
    [[nodiscard]] ebpf_object* get() const noexcept { return object_.get(); }
    template <typename K, typename V>
    [[nodiscard]] Map<K, V> map(const char* name) const {
        return Map<K, V>(get(), name);
    }

  private:
    std::unique_ptr<ebpf_object, detail::Free<ebpf_object_close>> object_;
};

/// A thread that runs programs; used on the thread that made it.
class Thread {
  public:
    explicit Thread(ebpf_context* context) {
        ebpf_hook_thread* thread = nullptr;
        if (const int code = ebpf_thread_enter(context, &thread); code != 0) throw Error(-code, "thread");
        thread_.reset(thread);
    }
    [[nodiscard]] ebpf_hook_thread* get() const noexcept { return thread_.get(); }

  private:
    std::unique_ptr<ebpf_hook_thread, detail::Free<ebpf_thread_leave>> thread_;
};

/// Invocations inside its scope cost least; see ebpf_batch_begin().
class Batch {
  public:
    explicit Batch(const Thread& thread) : thread_(thread.get()) { ebpf_batch_begin(thread_); }
    ~Batch() { ebpf_batch_end(thread_); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    template <typename Argument>
    std::uint64_t invoke(ebpf_hook* hook, Argument& argument) {
        return ebpf_invoke(hook, thread_, &argument);
    }

  private:
    ebpf_hook_thread* thread_;
};

/// A place where programs run on a structure Argument. Belongs to its context.
template <typename Argument>
class Hook {
  public:
    explicit Hook(ebpf_hook* hook) : hook_(hook) {}
    [[nodiscard]] ebpf_hook* get() const noexcept { return hook_; }

    /// Attaches a program, or puts it in the place of the attached one.
    void attach(const Object& object, const char* name = nullptr) {
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_hook_attach(hook_, object.get(), name, reason, bytes);
        });
    }
    bool detach() { return ebpf_hook_detach(hook_) == 0; }
    std::uint64_t run(const Thread& thread, Argument& argument) {
        return ebpf_run(hook_, thread.get(), &argument);
    }
    [[nodiscard]] ebpf_hook_counts statistics() const {
        ebpf_hook_counts statistics{};
        statistics.version = EBPF_EMBED_ABI_VERSION;
        statistics.size = sizeof(statistics);
        if (const int code = ebpf_hook_statistics(hook_, &statistics); code != 0)
            throw Error(-code, "hook statistics");
        return statistics;
    }

  private:
    ebpf_hook* hook_;
};

/// A program type under construction: the structure is `Argument`, `context_name` its name in programs.
template <typename Argument>
class ProgramType {
  public:
    ProgramType(const char* name, const char* context_name, std::vector<ebpf_context_field> fields,
                std::vector<ebpf_helper> helpers = {})
        : name_(name),
          context_name_(context_name),
          fields_(std::move(fields)),
          helpers_(std::move(helpers)) {}

    /// What programs may return; anything, if it is not said.
    ProgramType& returns(std::int64_t least, std::int64_t most) {
        return_min_ = least;
        return_max_ = most;
        return *this;
    }
    ProgramType& section(const char* name) {
        section_ = name;
        return *this;
    }
    /// As the C ABI has it. Lifetime: refers to this object.
    [[nodiscard]] ebpf_program_type abi() const {
        return {EBPF_PROGRAM_TYPE_HEAD,
                name_,
                section_,
                context_name_,
                static_cast<std::uint32_t>(sizeof(Argument)),
                static_cast<std::uint32_t>(fields_.size()),
                fields_.data(),
                helpers_.data(),
                static_cast<std::uint32_t>(helpers_.size()),
                0,
                return_min_,
                return_max_};
    }

  private:
    const char* name_;
    const char* context_name_;
    const char* section_ = nullptr;
    std::vector<ebpf_context_field> fields_;
    std::vector<ebpf_helper> helpers_;
    std::int64_t return_min_ = 1;
    std::int64_t return_max_ = 0;
};

/// An execution context. Lifetime: must outlive its objects, maps and threads.
class Context {
  public:
    explicit Context(const ebpf_context_options* options = nullptr) {
        ebpf_context* context = nullptr;
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_context_create(options, &context, reason, bytes);
        });
        context_.reset(context);
    }
    [[nodiscard]] ebpf_context* get() const noexcept { return context_.get(); }

    /// `result` is what the hook gives while no program is attached.
    template <typename Argument>
    Hook<Argument> define_hook(const ProgramType<Argument>& type, std::uint64_t result) {
        ebpf_hook* hook = nullptr;
        const ebpf_program_type abi = type.abi();
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_hook_define(get(), &abi, result, &hook, reason, bytes);
        });
        return Hook<Argument>(hook);
    }
    Object open(const std::string& path) {
        ebpf_object* object = nullptr;
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_object_open(get(), path.c_str(), &object, reason, bytes);
        });
        return Object(object);
    }
    Object load(const void* bytes, std::size_t size, const std::string& name) {
        ebpf_object* object = nullptr;
        detail::check([&](char* reason, std::size_t reason_bytes) {
            return ebpf_object_load(get(), bytes, size, name.c_str(), &object, reason, reason_bytes);
        });
        return Object(object);
    }
    void measure_times(bool is_wanted) { ebpf_context_measure_times(get(), is_wanted ? 1 : 0); }
    void serve(const std::string& path) {
        detail::check([&](char* reason, std::size_t bytes) {
            return ebpf_context_serve(get(), path.c_str(), reason, bytes);
        });
    }

  private:
    std::unique_ptr<ebpf_context, detail::Free<ebpf_context_destroy>> context_;
};

}  // namespace ebpf::embed
