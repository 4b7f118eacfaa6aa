// SPDX-License-Identifier: MIT
// Requests about process trees.
#include <memory>
#include <utility>

#include "service/call.hpp"

namespace ebpf::service {
namespace {

using runtime::LinkObject;
using runtime::ProgramObject;

/// The links of a tree, detached with it.
class TreeLinks {
  public:
    explicit TreeLinks(runtime::Context& context) : context_(&context) {}
    TreeLinks(const TreeLinks&) = delete;
    TreeLinks& operator=(const TreeLinks&) = delete;
    ~TreeLinks() {
        for (const auto& link : links_) (void)context_->detach(*link);
    }

    Result<void> add(const runtime::Ref<ProgramObject>& program, std::uint32_t attach_type,
                     std::uint32_t tree) {
        ebpf_attach_request request{};
        request.attach_type = attach_type;
        request.ifindex = tree;
        EBPF_TRY(auto link, attach(*context_, program, request));
        links_.push_back(std::move(link));
        return {};
    }
    [[nodiscard]] const std::vector<runtime::Ref<LinkObject>>& all() const { return links_; }

  private:
    runtime::Context* context_;
    std::vector<runtime::Ref<LinkObject>> links_;
};

Result<runtime::Ref<ProgramObject>> find(const Call& call, const protocol::TreeProgram& wanted) {
    if (wanted.pin.empty()) {
        auto program = call.context().find_program(wanted.id);
        if (!program) return fail_with(program.error(), fmt::format("program with id {}", wanted.id));
        return *std::move(program);
    }
    auto object = call.context().find_pin(wanted.pin.c_str());
    if (!object) return fail_with(object.error(), fmt::format("pin '{}'", wanted.pin));
    auto program = runtime::ref_cast<ProgramObject>(*object);
    if (!program)
        return fail(Status::WrongKind, fmt::format("pin '{}' is a {}, a program is needed", wanted.pin,
                                                   kind_name((*object)->kind())));
    return *std::move(program);
}

Result<int> file(const Call& call, const char* field, protocol::HandleIndex index) {
    if (index < call.caller.files.size()) return call.caller.files[index];
    return fail(Status::BadHandle,
                fmt::format("descriptor '{}' is number {} of {}", field, index, call.caller.files.size()));
}

}  // namespace

Result<protocol::TreeHookReply> carry_out(Call& call, const protocol::TreeHookRequest& message) {
    ProcessTrees* trees = call.service.trees();
    if (trees == nullptr) return fail(Status::NotSupported, "this context takes no process trees");
    if (message.programs.empty()) return fail(Status::InvalidArgument, "no program is named for the tree");
    TreeOffer offer;
    EBPF_TRY(offer.listener, file(call, "listener", message.listener));
    EBPF_TRY(offer.ledger, file(call, "ledger", message.ledger));
    offer.process = message.process;
    offer.uid = call.caller.uid;
    offer.is_closed = message.is_closed != 0;
    std::vector<runtime::Ref<ProgramObject>> programs;
    for (const auto& wanted : message.programs) {
        EBPF_TRY(auto program, find(call, wanted));
        programs.push_back(std::move(program));
    }
    EBPF_TRY(const std::uint32_t tree, trees->add(offer));
    auto links = std::make_shared<TreeLinks>(call.context());
    for (std::size_t i = 0; i < programs.size(); ++i) {
        auto added = links->add(programs[i], message.programs[i].attach_type, tree);
        if (added) continue;
        links.reset();
        trees->drop(tree);
        return std::unexpected(std::move(added).error());
    }
    // Before calls are answered: the tree may end at once, and the links with it.
    protocol::TreeHookReply reply;
    reply.tree = tree;
    for (const auto& link : links->all()) reply.links.push_back(call.give(link));
    EBPF_TRY_VOID(trees->serve(tree, std::move(links)));
    return reply;
}

}  // namespace ebpf::service
