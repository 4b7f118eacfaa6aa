// SPDX-License-Identifier: MIT
#include "vectors/test_host.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "helpers/helpers.hpp"
#include "maps/ring_buffer.hpp"

namespace ebpf::vectors {
namespace {

constexpr std::size_t kHeadroom = 256;  // as Linux gives an XDP program (XDP_PACKET_HEADROOM)
constexpr std::size_t kTailroom = 320;
constexpr std::size_t kAlignment = 16;

/// Every byte tells where it is; family 2 (AF_INET), type 1 (SOCK_STREAM), protocol 6 (TCP).
constexpr ebpf_sock_addr_context kSockAddr = {
    .user_family = 2,
    .user_ip4 = 0x04030201,
    .user_ip6 = {0x14131211, 0x18171615, 0x24232221, 0x28272625},
    .family = 2,
    .type = 1,
    .protocol = 6,
    .user_port = 0xbeef,
    .reserved = 0,
    .msg_src = {0x34333231, 0x44434241, 0x48474645, 0x54535251, 0x58575655, 0},
};

/// As of a TCP socket over IPv4.
constexpr ebpf_sock_context kSock = {
    .bound_dev_if = 0, .family = 2, .type = 1, .protocol = 6, .mark = 0, .priority = 0};

/// As of a process 7 that binds 1.2.3.4:0xbeef (network byte order) over TCP.
constexpr ebpf_bind_context kBind = {
    .app_id_start = nullptr,
    .app_id_end = nullptr,
    .process_id = 7,
    .address = {0x0403'0201'beef'0002, 0},
    .operation = 0,
    .socket_address_length = 16,
    .protocol = 6,
    .reserved = {},
};

std::uint8_t* as_bytes(std::byte* memory) {
    return reinterpret_cast<std::uint8_t*>(memory);
}

/// A ring buffer's unread records, as if their numbers were keys.
MapContents records_of(maps::Map& map) {
    MapContents all;
    const auto add = [](void* contents, std::span<const std::byte> record) noexcept {
        auto& elements = *static_cast<MapContents*>(contents);
        const auto number = static_cast<std::uint32_t>(elements.size());
        const auto key = std::as_bytes(std::span(&number, 1));
        elements.push_back({{key.begin(), key.end()}, {record.begin(), record.end()}});
        return true;
    };
    static_cast<void>(maps::read_records(map, add, &all));
    return all;
}

}  // namespace

Result<std::unique_ptr<TestHost>> TestHost::create(spec::ProgramType type, std::span<const std::byte> memory,
                                                   std::span<const spec::MapShape> shapes) {
    std::unique_ptr<TestHost> host(new TestHost(type));
    host->initial_.assign(memory.begin(), memory.end());
    host->buffer_.resize(kHeadroom + memory.size() + kTailroom + kAlignment);
    auto domain = epoch::Domain::create(1);
    if (!domain) return fail(domain.error(), "epochs of the test host");
    host->domain_ = *domain;
    for (const spec::MapShape& shape : shapes) {
        auto map = maps::Map::create(shape, *host->domain_);
        if (!map)
            return fail(map.error(), fmt::format("map {}: {}", host->maps_.size(), status_text(map.error())));
        host->maps_.push_back(*map);
        host->map_bindings_.push_back(helpers::bind_map(**map));
    }
    host->services_ = {.monotonic_ns = count_up,
                       .random_u32 = next_random,
                       .trace = nullptr,
                       .owner = host.get(),
                       .current_task = name_task};
    return host;
}

TestHost::~TestHost() {
    if (domain_ == nullptr) return;
    for (maps::Map* map : maps_) {
        if (map->shape().type != spec::MapType::ProgArray) continue;
        for (std::uint32_t i = 0; i < map->shape().max_entries; ++i)
            static_cast<void>(maps::exchange_program(*map, i, nullptr, 0));
    }
    domain_->synchronise();
    for (maps::Map* map : maps_) maps::Map::destroy(map);
    epoch::Domain::destroy(domain_);
}

Result<void> TestHost::fill(std::uint32_t map, const MapContents& elements) {
    for (const MapElement& element : elements) {
        const Status status = inside(
            [&] { return maps_[map]->update(element.key.data(), element.value.data(), spec::kUpdateAny); });
        if (status != Status::Ok) return fail(status, fmt::format("map {}: {}", map, status_text(status)));
    }
    return {};
}

MapContents TestHost::contents(std::uint32_t index) {
    maps::Map& map = *maps_[index];
    MapContents all;
    if (map.shape().type == spec::MapType::ProgArray) return all;
    if (map.shape().type == spec::MapType::RingBuffer) return records_of(map);
    std::vector<std::byte> key(map.shape().key_size);
    std::vector<std::byte> previous;
    inside([&] {
        while (map.next_key(previous.empty() ? nullptr : previous.data(), key.data()) == Status::Ok) {
            MapElement element{key, std::vector<std::byte>(map.shape().value_size)};
            if (map.read(key.data(), element.value.data()) == Status::Ok) all.push_back(std::move(element));
            previous = key;
        }
        return 0;
    });
    std::ranges::sort(all, {}, &MapElement::key);
    return all;
}

Result<void> TestHost::put_program(std::uint32_t map, std::uint32_t index, engine::Image& image) {
    helpers::TailTarget& target = targets_.emplace_back();
    target.image.store(&image, std::memory_order_relaxed);
    const auto put = maps::exchange_program(*maps_[map], index, &target, 1);
    if (!put)
        return fail(put.error(), fmt::format("map {} index {}: {}", map, index, status_text(put.error())));
    return {};
}

std::vector<std::byte> TestHost::plain_context() const {
    std::vector<std::byte> fields;
    const spec::ProgramTypeSpec* type = spec::find_program_type(static_cast<std::uint32_t>(type_));
    for (const spec::ContextField& field : spec::context_fields()) {
        if (context().empty() || field.context != type->context) continue;
        if (!spec::is_number(field.meaning)) continue;
        const auto bytes = context().subspan(field.host_offset, field.host_size);
        fields.insert(fields.end(), bytes.begin(), bytes.end());
    }
    return fields;
}

engine::Bindings TestHost::bindings() const noexcept {
    return {.maps = map_bindings_, .helpers = helpers::bindings()};
}

engine::Invocation TestHost::start() noexcept {
    std::ranges::fill(buffer_, std::byte{0});
    const auto address = reinterpret_cast<std::uintptr_t>(buffer_.data()) + kHeadroom;
    std::byte* start = buffer_.data() + kHeadroom + (kAlignment - address % kAlignment) % kAlignment;
    std::ranges::copy(initial_, start);
    std::uint8_t* data = as_bytes(start);
    std::uint8_t* data_end = data + initial_.size();
    engine::Invocation invocation;
    invocation.services = &services_;
    xdp_ = {data, data_end, data, as_bytes(buffer_.data()), as_bytes(buffer_.data() + buffer_.size()), 1, 0};
    skb_ = {};
    skb_.data = data;
    skb_.data_end = data_end;
    skb_.len = static_cast<std::uint32_t>(initial_.size());
    switch (type_) {
        case spec::ProgramType::Xdp:
            invocation.context = &xdp_;
            invocation.packet_data = &xdp_.data;
            invocation.packet_data_end = &xdp_.data_end;
            break;
        case spec::ProgramType::SocketFilter:
            invocation.context = &skb_;
            invocation.packet_data = &skb_.data;
            invocation.packet_data_end = &skb_.data_end;
            break;
        case spec::ProgramType::CgroupSock:
            sock_ = kSock;
            invocation.context = &sock_;
            break;
        case spec::ProgramType::CgroupSockAddr:
            sock_addr_ = kSockAddr;
            invocation.context = &sock_addr_;
            break;
        case spec::ProgramType::Bind:
            bind_ = kBind;
            bind_.app_id_start = data;
            bind_.app_id_end = data_end;
            invocation.context = &bind_;
            break;
        case spec::ProgramType::Unspecified:
        case spec::ProgramType::Memory:
            invocation.context = data;
            invocation.r2 = initial_.size();
            break;
    }
    return invocation;
}

std::span<const std::byte> TestHost::memory() const noexcept {
    // xdp_ follows the packet for every type; only an XDP program moves its ends.
    return std::as_bytes(std::span(xdp_.data, xdp_.data_end));
}

std::span<const std::byte> TestHost::context() const noexcept {
    switch (type_) {
        case spec::ProgramType::Xdp:
            return std::as_bytes(std::span(&xdp_, 1));
        case spec::ProgramType::SocketFilter:
            return std::as_bytes(std::span(&skb_, 1));
        case spec::ProgramType::CgroupSock:
            return std::as_bytes(std::span(&sock_, 1));
        case spec::ProgramType::CgroupSockAddr:
            return std::as_bytes(std::span(&sock_addr_, 1));
        case spec::ProgramType::Bind:
            return std::as_bytes(std::span(&bind_, 1));
        case spec::ProgramType::Unspecified:
        case spec::ProgramType::Memory:
            break;
    }
    return {};
}

void TestHost::name_task(void*, engine::TaskPart, engine::Task& task) noexcept {
    task = {.pid_tgid = 0x0000'0007'0000'0008, .uid_gid = 0x0000'0005'0000'0006, .name = "vector"};
}

std::uint64_t TestHost::count_up(void* owner) noexcept {
    return ++static_cast<TestHost*>(owner)->clock_;
}

std::uint32_t TestHost::next_random(void* owner, engine::Invocation&) noexcept {
    constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
    return static_cast<std::uint32_t>(++static_cast<TestHost*>(owner)->clock_ * kStep >> 32U);
}

}  // namespace ebpf::vectors
