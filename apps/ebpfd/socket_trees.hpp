// SPDX-License-Identifier: MIT
// The socket hooks as what the service asks of a host for process trees.
#pragma once

#include <utility>

#include "hooks/socket/hooks.hpp"
#include "service/process_trees.hpp"

namespace ebpf::daemon {

class SocketTrees final : public service::ProcessTrees {
  public:
    explicit SocketTrees(hooks::socket::SocketHooks& hooks) : hooks_(&hooks) {}

    Result<std::uint32_t> add(const service::TreeOffer& offer) override {
        return hooks_->add_tree({offer.listener, offer.ledger, offer.process, offer.uid, offer.is_closed});
    }
    Result<void> serve(std::uint32_t tree, std::shared_ptr<void> held) override {
        return hooks_->serve_tree(tree, std::move(held));
    }
    void drop(std::uint32_t tree) override { hooks_->drop_tree(tree); }
    void drop_all() override { hooks_->drop_trees(); }

  private:
    hooks::socket::SocketHooks* hooks_;
};

}  // namespace ebpf::daemon
