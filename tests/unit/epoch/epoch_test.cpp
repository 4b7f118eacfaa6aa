// SPDX-License-Identifier: MIT
#include "epoch/epoch.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace ebpf::epoch {
namespace {

struct Node : Retired {
    std::atomic<int>* freed = nullptr;
    std::atomic<bool> is_dead{false};
};

// Dead nodes are kept until the end of the test, so that a reader that sees one is noticed instead of
// crashing.
struct DomainTest : testing::Test {
    void SetUp() override { domain = *Domain::create(4); }
    void TearDown() override { Domain::destroy(domain); }

    Node* make_node() {
        auto node = std::make_unique<Node>();
        node->freed = &freed;
        node->free = [](Retired* self) noexcept {
            auto* gone = static_cast<Node*>(self);
            gone->is_dead.store(true);
            gone->freed->fetch_add(1);
        };
        nodes.push_back(std::move(node));
        return nodes.back().get();
    }

    std::vector<std::unique_ptr<Node>> nodes;
    Domain* domain = nullptr;
    std::atomic<int> freed{0};
};

TEST(Domain, RefusesZeroSlots) {
    EXPECT_EQ(Domain::create(0).error(), Status::InvalidArgument);
}

TEST_F(DomainTest, LeasesEverySlotOnce) {
    for (Slot expected = 0; expected < 4; ++expected) EXPECT_EQ(*domain->lease_slot(), expected);
    EXPECT_EQ(domain->lease_slot().error(), Status::Busy);
    domain->give_back(2);
    EXPECT_EQ(*domain->lease_slot(), 2U);
    for (Slot slot = 0; slot < 4; ++slot) domain->give_back(slot);
}

TEST_F(DomainTest, FreesOnlyAfterReadersHaveLeft) {
    const Slot slot = *domain->lease_slot();
    domain->enter(slot);
    domain->retire(make_node());
    domain->collect();
    EXPECT_EQ(freed, 0);
    domain->leave(slot);
    domain->collect();
    EXPECT_EQ(freed, 1);
    domain->give_back(slot);
}

TEST_F(DomainTest, NestedEntryHoldsUntilTheOutermostLeave) {
    const Slot slot = *domain->lease_slot();
    domain->enter(slot);
    domain->enter(slot);
    domain->retire(make_node());
    domain->leave(slot);
    domain->collect();
    EXPECT_EQ(freed, 0);
    domain->leave(slot);
    domain->collect();
    EXPECT_EQ(freed, 1);
    domain->give_back(slot);
}

TEST_F(DomainTest, ReaderThatEntersLaterDoesNotHoldOlderNodes) {
    const Slot first = *domain->lease_slot();
    const Slot second = *domain->lease_slot();
    domain->enter(first);
    domain->retire(make_node());
    domain->collect();
    domain->enter(second);
    domain->leave(first);
    domain->collect();
    EXPECT_EQ(freed, 1);
    domain->leave(second);
    domain->give_back(first);
    domain->give_back(second);
}

TEST_F(DomainTest, DestroyFreesWhatWaits) {
    Domain* other = *Domain::create(1);
    for (int i = 0; i < 100; ++i) other->retire(make_node());
    Domain::destroy(other);
    EXPECT_EQ(freed, 100);
}

TEST_F(DomainTest, ConcurrentReadersNeverSeeAFreedNode) {
    constexpr int kSwaps = 20000;
    std::atomic<Node*> shared{make_node()};
    std::atomic<bool> is_done{false};
    std::atomic<int> faults{0};
    std::vector<std::jthread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            const Slot slot = *domain->lease_slot();
            while (!is_done.load()) {
                const Guard guard(*domain, slot);
                const Node* node = shared.load(std::memory_order_acquire);
                if (node->is_dead.load()) faults.fetch_add(1);
            }
            domain->give_back(slot);
        });
    }
    for (int i = 0; i < kSwaps; ++i) {
        domain->retire(shared.exchange(make_node()));
        if (i % 1000 == 0) domain->synchronise();
    }
    is_done = true;
    readers.clear();
    domain->retire(shared.load());
    domain->synchronise();
    EXPECT_EQ(faults, 0);
    EXPECT_EQ(freed, kSwaps + 1);
    EXPECT_EQ(domain->pending(), 0U);
}

}  // namespace
}  // namespace ebpf::epoch
