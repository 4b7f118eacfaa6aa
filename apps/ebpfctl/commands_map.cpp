// SPDX-License-Identifier: MIT
// ebpfctl map.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "base/try.hpp"
#include "btf_format.hpp"
#include "commands.hpp"

namespace ebpf::ctl {
namespace {

using client::Bytes;
using client::Client;
using client::Handle;
using client::ObjectKind;

/// A map that a command works on.
struct OpenMap {
    std::unique_ptr<client::Backend> backend;
    Handle handle;  // after the backend that it belongs to
    protocol::MapDetails info;

    Client client() { return Client(*backend); }
};

Result<OpenMap> open_map(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.object("map"));
    OpenMap map;
    EBPF_TRY(map.backend, open_context(options, Place::Daemon));
    Client client = map.client();
    EBPF_TRY(map.handle, select_one(client, ObjectKind::Map, selector));
    EBPF_TRY(map.info, client.map_info(map.handle));
    return map;
}

Result<Bytes> read_key(Words& words, const OpenMap& map) {
    EBPF_TRY_VOID(words.expect("key"));
    return words.data("key", map.info.key_size);
}

/// Describes elements by the map's types, where there are any and they fit.
class TypedView {
  public:
    static Result<TypedView> open(Client& client, const OpenMap& map) {
        TypedView view;
        if (map.info.has_types == 0) return view;
        EBPF_TRY(view.reply_, client.types(map.handle));
        if (auto types = btf::Types::parse(view.reply_.types)) view.types_.emplace(*std::move(types));
        return view;
    }

    Element element(Bytes key, Bytes value) const {
        Element element{std::move(key), std::move(value), std::nullopt, std::nullopt};
        element.formatted_value = formatted(reply_.value_type, element.value);
        if (element.formatted_value) element.formatted_key = formatted(reply_.key_type, element.key);
        return element;
    }
    [[nodiscard]] bool has_types() const { return types_.has_value(); }

  private:
    [[nodiscard]] std::optional<Formatted> formatted(std::uint32_t type, const Bytes& bytes) const {
        if (!types_ || type == 0) return std::nullopt;
        auto value = format_value(*types_, type, bytes);
        if (!value) return std::nullopt;
        return *std::move(value);
    }

    protocol::MapTypesReply reply_;  // what types_ views: a vector's bytes stay in place when it is moved
    std::optional<btf::Types> types_;
};

bool holds_programs(const protocol::MapDetails& map) {
    const auto* row = spec::find_map_type(map.type);
    return row != nullptr && row->holds == spec::MapHolds::Programs;
}

Result<Output> put_program(Client& client, OpenMap& map, const Bytes& key, Words& words) {
    EBPF_TRY(const auto selector, words.object("program"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto program, select_one(client, ObjectKind::Program, selector));
    std::uint32_t index = 0;
    std::memcpy(&index, key.data(), std::min(key.size(), sizeof(index)));
    EBPF_TRY_VOID(client.put_program(map.handle, index, program));
    return Done{};
}

Result<std::uint64_t> update_flags(Words& words) {
    if (words.accept("noexist")) return spec::kUpdateNoExist;
    if (words.accept("exist")) return spec::kUpdateExist;
    (void)words.accept("any");
    EBPF_TRY_VOID(words.finish());
    return spec::kUpdateAny;
}

using Clock = std::chrono::steady_clock;

/// How long `map event_pipe` goes on.
struct Pipe {
    std::uint64_t count = ~std::uint64_t{0};
    Clock::time_point until = Clock::time_point::max();
};

Result<Pipe> read_pipe(Words& words) {
    constexpr std::uint64_t kMost = 0xffffffff;
    Pipe pipe;
    if (words.accept("count")) {
        EBPF_TRY(pipe.count, words.number("count", kMost));
    }
    if (words.accept("timeout")) {
        EBPF_TRY(const auto seconds, words.number("timeout", kMost));
        pipe.until = Clock::now() + std::chrono::seconds(seconds);
    }
    EBPF_TRY_VOID(words.finish());
    return pipe;
}

std::uint32_t milliseconds_until(Clock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, spec::kMostWaitMs));
}

}  // namespace

Result<Output> map_show(const Options& options, Words& words) {
    Maps shown;
    EBPF_TRY(const auto selector, words.last_object("map"));
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto handles, select_any(client, ObjectKind::Map, selector));
    shown.is_list = !selector || handles.size() > 1;
    for (const auto& handle : handles) {
        EBPF_TRY(auto info, client.map_info(handle));
        EBPF_TRY(auto pins, pins_of(client, ObjectKind::Map, info.id));
        shown.maps.push_back(std::move(info));
        shown.pins.push_back(std::move(pins));
    }
    return shown;
}

Result<Output> map_dump(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY_VOID(words.finish());
    Client client = map.client();
    EBPF_TRY(const auto view, TypedView::open(client, map));
    Elements dump;
    dump.has_types = view.has_types();
    Bytes key;
    // Keys that are added meanwhile could keep the walk going for ever.
    for (std::uint64_t steps = 0; steps <= map.info.max_entries; ++steps) {
        auto next = client.next_key(map.handle, key);
        if (!next && next.error().status() == Status::NotFound) return dump;
        if (!next) return std::unexpected(std::move(next).error());
        key = *std::move(next);
        auto value = client.lookup(map.handle, key);
        if (!value && value.error().status() == Status::NotFound)
            continue;  // deleted meanwhile, or an empty element
        if (!value) return std::unexpected(std::move(value).error());
        dump.elements.push_back(view.element(key, *std::move(value)));
    }
    return dump;
}

Result<Output> map_lookup(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY(auto key, read_key(words, map));
    EBPF_TRY_VOID(words.finish());
    Client client = map.client();
    EBPF_TRY(const auto view, TypedView::open(client, map));
    auto value = client.lookup(map.handle, key);
    if (!value && value.error().status() == Status::NotFound) return NoElement{std::move(key)};
    if (!value) return std::unexpected(std::move(value).error());
    Elements found;
    found.is_list = false;
    found.has_types = view.has_types();
    found.elements.push_back(view.element(std::move(key), *std::move(value)));
    return found;
}

Result<Output> map_update(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY(const auto key, read_key(words, map));
    EBPF_TRY_VOID(words.expect("value"));
    Client client = map.client();
    if (holds_programs(map.info)) return put_program(client, map, key, words);
    EBPF_TRY(const auto value, words.data("value", map.info.value_size));
    EBPF_TRY(const auto flags, update_flags(words));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY_VOID(client.update(map.handle, key, value, flags));
    return Done{};
}

Result<Output> map_delete(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY(const auto key, read_key(words, map));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY_VOID(map.client().erase(map.handle, key));
    return Done{};
}

Result<Output> map_next(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    NextKey next;
    if (!words.is_at_end()) {
        EBPF_TRY(next.key, read_key(words, map));
        EBPF_TRY_VOID(words.finish());
    }
    EBPF_TRY(next.next, map.client().next_key(map.handle, next.key.value_or(Bytes{})));
    return next;
}

// bpftool's command for perf event arrays, which it lacks for ring buffers. Records are consumed when they
// have been shown, so that an interruption costs none.
Result<Output> map_event_pipe(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY(const Pipe pipe, read_pipe(words));
    Client client = map.client();
    std::uint64_t left = pipe.count;
    std::uint64_t taken = 0;
    while (true) {
        const std::uint32_t wait_ms = milliseconds_until(pipe.until);
        EBPF_TRY(auto reply,
                 client.records(map.handle, {.taken = taken, .most = left, .timeout_ms = wait_ms}));
        taken = reply.position;
        if (left == 0 || (reply.records.empty() && wait_ms == 0)) return Records{};
        left -= reply.records.size();
        if (!reply.records.empty()) options.show(Records{std::move(reply.records)});
    }
}

Result<Output> map_pin(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY(const auto path, words.word("PATH of the pin"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY_VOID(map.client().pin(map.handle, path));
    return Done{};
}

Result<Output> map_freeze(const Options& options, Words& words) {
    EBPF_TRY(auto map, open_map(options, words));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY_VOID(map.client().freeze(map.handle));
    return Done{};
}

}  // namespace ebpf::ctl
