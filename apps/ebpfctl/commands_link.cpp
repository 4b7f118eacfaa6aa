// SPDX-License-Identifier: MIT
// ebpfctl net, link and pin.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "commands.hpp"
#include "platform/interface.hpp"
#include "spec/programs.hpp"

namespace ebpf::ctl {
namespace {

using client::Client;
using client::Handle;
using client::ObjectKind;

std::string link_pin_of(std::uint32_t link) {
    return fmt::format("{}{}", kLinkPinPrefix, link);
}

/// Keeps a link that would end with this command.
Result<void> keep_link(Client& client, const Handle& link) {
    EBPF_TRY(const auto info, client.link_info(link));
    return client.pin(link, link_pin_of(info.id));
}

/// Detaches, and drops what keeps a link whose command has ended; others have no such pin.
Result<void> end_link(Client& client, const Handle& link, std::uint32_t id) {
    EBPF_TRY_VOID(client.detach(link));
    (void)client.unpin(link_pin_of(id));
    return {};
}

/// An XDP link at an interface.
struct Attachment {
    Handle link;
    protocol::LinkDetails info;
};

/// Returns the attached XDP links, of one interface if it is named, in the order in which they run.
Result<std::vector<Attachment>> attachments(Client& client, const std::string& interface) {
    std::vector<Attachment> found;
    EBPF_TRY(const auto ids, client.ids(ObjectKind::Link));
    for (const std::uint32_t id : ids) {
        auto link = client.open(ObjectKind::Link, id);
        if (!link) continue;  // it went away since it was listed
        EBPF_TRY(auto info, client.link_info(*link));
        const bool is_xdp = info.program_type == static_cast<std::uint32_t>(spec::ProgramType::Xdp);
        if (!is_xdp || info.is_attached == 0) continue;
        if (interface.empty() || info.interface == interface)
            found.push_back({*std::move(link), std::move(info)});
    }
    std::ranges::sort(found, {},
                      [](const Attachment& one) { return std::pair(one.info.ifindex, one.info.position); });
    return found;
}

Result<std::string> interface_word(Words& words) {
    EBPF_TRY_VOID(words.expect("dev"));
    return words.word("name of the interface");
}

Result<std::optional<std::uint32_t>> priority_words(Words& words) {
    if (!words.accept("priority")) return std::nullopt;
    EBPF_TRY(const auto number, words.number("priority", 0xffffffff));
    return static_cast<std::uint32_t>(number);
}

Result<void> check_lasting(const Client& client) {
    if (client.is_lasting()) return {};
    return fail(
        Status::NotSupported,
        "the in-process context ends with this command, so would the attachment; use a daemon's context");
}

Result<std::uint32_t> attach_type(Client& client, const Handle& program) {
    EBPF_TRY(const auto info, client.program_info(program));
    if (info.type != static_cast<std::uint32_t>(spec::ProgramType::Xdp)) {
        return fail(Status::WrongKind, fmt::format("program {} '{}' is no XDP program", info.id, info.name));
    }
    return info.attach_type;
}

}  // namespace

Result<Output> net_attach(const Options& options, Words& words) {
    EBPF_TRY_VOID(words.expect("xdp"));
    EBPF_TRY(const auto selector, words.program());
    EBPF_TRY(const auto interface, interface_word(words));
    EBPF_TRY(const auto priority, priority_words(words));
    const bool overwrites = words.accept("overwrite");
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY_VOID(check_lasting(client));
    EBPF_TRY(const auto program, program_for(client, options, selector));
    EBPF_TRY(const std::uint32_t type, attach_type(client, program));
    if (overwrites) {
        EBPF_TRY(const auto existing, attachments(client, interface));
        if (existing.size() > 1) {
            return fail(Status::InvalidArgument,
                        fmt::format("interface '{}': {} programs are attached: replace one by link update",
                                    interface, existing.size()));
        }
        if (existing.size() == 1) {
            EBPF_TRY_VOID(client.update_link(existing.front().link, program));
            return Done{};
        }
    }
    EBPF_TRY(
        const auto link,
        client.create_link(program, {.attach_type = type, .interface = interface, .priority = priority}));
    EBPF_TRY_VOID(keep_link(client, link));
    return Done{};
}

Result<Output> net_detach(const Options& options, Words& words) {
    EBPF_TRY_VOID(words.expect("xdp"));
    EBPF_TRY(const auto interface, interface_word(words));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(auto existing, attachments(client, interface));
    if (existing.empty()) {
        return fail(Status::NotAttached, fmt::format("interface '{}': no program is attached", interface));
    }
    for (const auto& attachment : existing)
        EBPF_TRY_VOID(end_link(client, attachment.link, attachment.info.id));
    return Done{};
}

Result<Output> net_show(const Options& options, Words& words) {
    std::string interface;
    if (!words.is_at_end()) {
        EBPF_TRY(interface, interface_word(words));
        EBPF_TRY_VOID(words.finish());
    }
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(auto existing, attachments(client, interface));
    if (existing.empty() && !interface.empty()) {
        const auto number = platform::interface_index(interface);
        if (!number) return fail(number.error(), fmt::format("interface '{}'", interface));
    }
    NetAttachments shown;
    for (auto& attachment : existing) shown.xdp.push_back(std::move(attachment.info));
    return shown;
}

Result<Output> link_show(const Options& options, Words& words) {
    Links shown;
    EBPF_TRY(const auto selector, words.last_object("link"));
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto handles, select_any(client, ObjectKind::Link, selector));
    shown.is_list = !selector || handles.size() > 1;
    for (const auto& handle : handles) {
        EBPF_TRY(auto info, client.link_info(handle));
        EBPF_TRY(auto pins, pins_of(client, ObjectKind::Link, info.id));
        shown.links.push_back(std::move(info));
        shown.pins.push_back(std::move(pins));
    }
    return shown;
}

Result<Output> link_create(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.program());
    EBPF_TRY_VOID(words.expect("hook"));
    client::LinkTarget target;
    EBPF_TRY(target.hook, words.word("NAME of the hook"));
    if (words.accept("at")) {
        EBPF_TRY(const auto place, words.number("place", 0xffffffff));
        target.place = static_cast<std::uint32_t>(place);
    }
    EBPF_TRY(target.priority, priority_words(words));
    std::string path;
    if (!words.is_at_end()) {
        EBPF_TRY(path, words.word("PATH of the pin"));
    }
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY_VOID(check_lasting(client));
    EBPF_TRY(const auto program, program_for(client, options, selector));
    EBPF_TRY(const auto link, client.create_link(program, target));
    EBPF_TRY_VOID(path.empty() ? keep_link(client, link) : client.pin(link, path));
    return Done{};
}

Result<Output> link_update(const Options& options, Words& words) {
    EBPF_TRY(const auto link_selector, words.object("link"));
    EBPF_TRY(const auto program_selector, words.program());
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto link, select_one(client, ObjectKind::Link, link_selector));
    EBPF_TRY(const auto program, program_for(client, options, program_selector));
    EBPF_TRY_VOID(client.update_link(link, program));
    return Done{};
}

Result<Output> link_detach(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.object("link"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto link, select_one(client, ObjectKind::Link, selector));
    EBPF_TRY(const auto info, client.link_info(link));
    EBPF_TRY_VOID(end_link(client, link, info.id));
    return Done{};
}

Result<Output> link_pin(const Options& options, Words& words) {
    EBPF_TRY(const auto selector, words.object("link"));
    EBPF_TRY(const auto path, words.word("PATH of the pin"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    Client client(*backend);
    EBPF_TRY(const auto link, select_one(client, ObjectKind::Link, selector));
    EBPF_TRY_VOID(client.pin(link, path));
    return Done{};
}

Result<Output> pin_list(const Options& options, Words& words) {
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    EBPF_TRY(auto pins, Client(*backend).pins());
    std::erase_if(pins, [](const auto& pin) { return pin.path.starts_with(kLinkPinPrefix); });
    return Pins{std::move(pins)};
}

Result<Output> pin_remove(const Options& options, Words& words) {
    EBPF_TRY(const auto path, words.word("PATH of the pin"));
    EBPF_TRY_VOID(words.finish());
    EBPF_TRY(const auto backend, open_context(options, Place::Daemon));
    EBPF_TRY_VOID(Client(*backend).unpin(path));
    return Done{};
}

}  // namespace ebpf::ctl
