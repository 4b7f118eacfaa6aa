// SPDX-License-Identifier: MIT
// nf_tables through nfnetlink. Source: linux/netfilter/nf_tables.h. In nft's words:
//   table netdev ebpf_everywhere_xdp_N { flags owner
//     chain ingress { type filter hook ingress device "IF" priority -1000; policy accept;
//       meta mark M+t meta pkttype set t meta mark set 0 accept   (t = 0 host, 1 broadcast, 2 multicast, 3
//       other) drop } }
// The policy is not drop: while a transaction is carried out, the chain is in force for a moment without its
// rules, and frames that the hook sends back must not get lost then.
#include "hooks/xdp/linux/drop_rule.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <cerrno>

#include "hooks/xdp/linux/marks.hpp"

namespace ebpf::hooks::xdp {
namespace {

constexpr const char* kChain = "ingress";
/// Before every chain that a person is likely to have: those see frames once, after the hook.
constexpr std::int32_t kPriority = -1000;

constexpr std::uint16_t message(unsigned type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

nfgenmsg family_header(std::uint16_t resource = 0) {
    return {.nfgen_family = NFPROTO_NETDEV, .version = NFNETLINK_V0, .res_id = htons(resource)};
}

/// Runs `fill(request)` between the marks of a transaction.
template <typename Fill>
Outcome<void> transaction(NetlinkSocket& socket, Fill fill) {
    NetlinkRequest request;
    request.begin(NFNL_MSG_BATCH_BEGIN, 0, family_header(NFNL_SUBSYS_NFTABLES));
    fill(request);
    request.begin(NFNL_MSG_BATCH_END, 0, family_header(NFNL_SUBSYS_NFTABLES));
    return socket.transact(request);
}

/// One expression of a rule; `options(request)` adds its attributes.
template <typename Options>
void expression(NetlinkRequest& request, const char* name, Options options) {
    const std::size_t element = request.nest(NFTA_LIST_ELEM);
    request.text(NFTA_EXPR_NAME, name);
    const std::size_t data = request.nest(NFTA_EXPR_DATA);
    options(request);
    request.end(data);
    request.end(element);
}

void load_meta(NetlinkRequest& request, std::uint32_t key) {
    expression(request, "meta", [&](NetlinkRequest& r) {
        r.value_big_endian(NFTA_META_DREG, NFT_REG_1);
        r.value_big_endian(NFTA_META_KEY, key);
    });
}

void compare_equal(NetlinkRequest& request, std::uint32_t value) {
    expression(request, "cmp", [&](NetlinkRequest& r) {
        r.value_big_endian(NFTA_CMP_SREG, NFT_REG_1);
        r.value_big_endian(NFTA_CMP_OP, NFT_CMP_EQ);
        const std::size_t data = r.nest(NFTA_CMP_DATA);
        r.value(NFTA_DATA_VALUE, value);
        r.end(data);
    });
}

/// Stores `value` (host byte order, `Value` wide) to a meta key through register 1.
template <typename Value>
void store_meta(NetlinkRequest& request, std::uint32_t key, Value value) {
    expression(request, "immediate", [&](NetlinkRequest& r) {
        r.value_big_endian(NFTA_IMMEDIATE_DREG, NFT_REG_1);
        const std::size_t data = r.nest(NFTA_IMMEDIATE_DATA);
        r.value(NFTA_DATA_VALUE, value);
        r.end(data);
    });
    expression(request, "meta", [&](NetlinkRequest& r) {
        r.value_big_endian(NFTA_META_KEY, key);
        r.value_big_endian(NFTA_META_SREG, NFT_REG_1);
    });
}

void verdict_expression(NetlinkRequest& request, std::uint32_t code) {
    expression(request, "immediate", [&](NetlinkRequest& r) {
        r.value_big_endian(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        const std::size_t data = r.nest(NFTA_IMMEDIATE_DATA);
        const std::size_t verdict = r.nest(NFTA_DATA_VERDICT);
        r.value_big_endian(NFTA_VERDICT_CODE, code);
        r.end(verdict);
        r.end(data);
    });
}

/// Appends a rule; `fill(request)` adds its expressions.
template <typename Fill>
void add_rule(NetlinkRequest& request, const std::string& table, Fill fill) {
    request.begin(message(NFT_MSG_NEWRULE), NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, family_header());
    request.text(NFTA_RULE_TABLE, table);
    request.text(NFTA_RULE_CHAIN, kChain);
    const std::size_t expressions = request.nest(NFTA_RULE_EXPRESSIONS);
    fill(request);
    request.end(expressions);
}

/// Lets frames in that the hook sent back with packet type `type`.
void accept_marked(NetlinkRequest& request, std::uint8_t type) {
    load_meta(request, NFT_META_MARK);
    compare_equal(request, kMarkBase + type);
    store_meta(request, NFT_META_PKTTYPE, type);
    store_meta(request, NFT_META_MARK, std::uint32_t{0});
    verdict_expression(request, NF_ACCEPT);
}

void add_chain(NetlinkRequest& request, const std::string& table, const std::string& device) {
    request.begin(message(NFT_MSG_NEWCHAIN), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, family_header());
    request.text(NFTA_CHAIN_TABLE, table);
    request.text(NFTA_CHAIN_NAME, kChain);
    request.text(NFTA_CHAIN_TYPE, "filter");
    request.value_big_endian(NFTA_CHAIN_POLICY, NF_ACCEPT);
    const std::size_t hook = request.nest(NFTA_CHAIN_HOOK);
    request.value_big_endian(NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
    request.value_big_endian(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kPriority));
    request.text(NFTA_HOOK_DEV, device);
    request.end(hook);
}

/// EPERM has two meanings here: no privileges in this namespace, or a table of another owner. Only the latter
/// can be read.
Failure explain_reserve(NetlinkSocket& socket, const std::string& table, Failure refused) {
    if (refused.error == EPERM || refused.error == EEXIST) {
        NetlinkRequest request;
        request.begin(message(NFT_MSG_GETTABLE), 0, family_header());
        request.text(NFTA_TABLE_NAME, table);
        if (socket.query(request)) {
            return {EBUSY, fmt::format("an XDP hook is attached already (nft table netdev {})", table)};
        }
    }
    return std::move(refused).in(fmt::format("nft table '{}'", table));
}

}  // namespace

Outcome<DropRule> DropRule::reserve(std::uint32_t ifindex) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    if (!socket) return std::unexpected(std::move(socket).error());
    std::string table = fmt::format("ebpf_everywhere_xdp_{}", ifindex);
    auto done = transaction(*socket, [&](NetlinkRequest& request) {
        request.begin(message(NFT_MSG_NEWTABLE), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, family_header());
        request.text(NFTA_TABLE_NAME, table);
        request.value_big_endian(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    });
    if (!done) return std::unexpected(explain_reserve(*socket, table, std::move(done).error()));
    return DropRule(std::move(*socket), std::move(table));
}

Outcome<void> DropRule::activate(const std::string& name) {
    auto done = transaction(socket_, [&](NetlinkRequest& request) {
        add_chain(request, table_, name);
        for (std::uint8_t type = PACKET_HOST; type <= PACKET_OTHERHOST; ++type) {
            add_rule(request, table_, [&](NetlinkRequest& rule) { accept_marked(rule, type); });
        }
        add_rule(request, table_, [](NetlinkRequest& rule) { verdict_expression(rule, NF_DROP); });
    });
    if (!done) return std::unexpected(std::move(done).error().in(fmt::format("nft table '{}'", table_)));
    return done;
}

void DropRule::release() noexcept {
    if (table_.empty()) return;
    const auto done = transaction(socket_, [&](NetlinkRequest& request) {
        request.begin(message(NFT_MSG_DELTABLE), NLM_F_ACK, family_header());
        request.text(NFTA_TABLE_NAME, table_);
    });
    table_.clear();
    // Closing the socket makes the kernel delete a table that it owns, whatever went wrong above.
    if (!done) NetlinkSocket closing(std::move(socket_));
}

DropRule::DropRule(DropRule&& other) noexcept
    : socket_(std::move(other.socket_)), table_(std::exchange(other.table_, {})) {}

}  // namespace ebpf::hooks::xdp
