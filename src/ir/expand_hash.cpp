// SPDX-License-Identifier: MIT
// Requires what src/maps/hash.cpp promises to readers. The acquiring loads of its lookup are plain ones here:
// each address follows from what was loaded before, which orders the loads on every processor we generate
// code for.
#include "ir/expand_hash.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "ir/block_writer.hpp"
#include "ir/normalise.hpp"
#include "maps/hash_table.hpp"

namespace ebpf::ir {
namespace {

using maps::HashElement;
using maps::HashSeed;
using maps::HashTable;
using spec::JumpOp;
using spec::Width;

constexpr unsigned kMostLookups = 16;  ///< in a function
constexpr unsigned kHalf = 32;
constexpr unsigned kReferenceBits = 2;  ///< logarithm of a bucket's bytes
constexpr unsigned kUnitBits = 3;
static_assert(1U << kUnitBits == maps::kReferenceBytes && 1U << kReferenceBits == sizeof(HashElement::next));
static_assert(offsetof(HashElement, next) == 0);

class HashExpander : BlockWriter {
  public:
    HashExpander(Function& function, const engine::Bindings& bindings)
        : BlockWriter(function), bindings_(bindings), replacements_(function.nodes.size()) {}

    void run() {
        unsigned count = 0;
        // A block that is made on the way holds what followed a lookup: it is looked at, too.
        for (BlockId id = 0; id < function_.blocks.size() && count < kMostLookups; ++id) {
            const auto& nodes = function_.blocks[id].nodes;
            const auto found = std::ranges::find_if(nodes, [&](NodeId node) { return is_fitting(node); });
            if (found == nodes.end()) continue;
            expand(id, static_cast<std::size_t>(found - nodes.begin()));
            ++count;
        }
        if (count != 0) normalise(function_, replacements_);
    }

  private:
    [[nodiscard]] bool is_fitting(NodeId id) const {
        const Node& node = function_.nodes[id];
        if (node.opcode != Opcode::MapLookup) return false;
        const engine::MapBinding& map = bindings_.maps[static_cast<std::size_t>(node.imm)];
        const std::uint32_t bytes = map.shape.key_size;
        return map.hash_table != 0 && map.handle != 0 && map.shape.type == spec::MapType::Hash &&
               (bytes == 4 || bytes == 8 || bytes == 16);
    }

    NodeId binary(Opcode opcode, NodeId a, NodeId b) { return append({.opcode = opcode}, {a, b}); }
    NodeId shift(Opcode opcode, NodeId value, unsigned count) {
        return binary(opcode, value, constant(count));
    }
    NodeId load(NodeId address, std::size_t offset, std::size_t bytes, Region region) {
        return append({.opcode = Opcode::Load,
                       .size = static_cast<std::uint8_t>(bytes),
                       .region = region,
                       .imm = static_cast<std::int64_t>(offset)},
                      {address});
    }
    /// Maps and what belongs to them are apart from all else that programs reach.
    NodeId load_of_map(NodeId address, std::size_t offset, std::size_t bytes) {
        return load(address, offset, bytes, Region::MapValue);
    }
    NodeId load_of_table(std::size_t offset, std::size_t bytes) {
        return load_of_map(handle_, static_cast<std::size_t>(map_->hash_table - map_->handle) + offset,
                           bytes);
    }
    NodeId seed(std::size_t index) {
        return load_of_table(offsetof(HashTable, seed) + offsetof(HashSeed, words) + index * 8, 8);
    }
    NodeId term(NodeId word, std::size_t index) {
        const NodeId upper = binary(Opcode::Add, seed(index), shift(Opcode::Shr, word, kHalf));
        const NodeId low = append({.opcode = Opcode::ZeroExtend, .size = 4}, {word});
        return binary(Opcode::Mul, upper, binary(Opcode::Add, seed(index + 1), low));
    }

    /// The key's bucket, as maps::hash_key() chooses it.
    NodeId bucket_index() {
        const NodeId state = word_count_ == 1
                                 ? binary(Opcode::Mul, binary(Opcode::Xor, words_[0], seed(0)), seed(1))
                                 : binary(Opcode::Add, term(words_[0], 0), term(words_[1], 2));
        const NodeId folded = binary(Opcode::Xor, state, shift(Opcode::Shr, state, kHalf));
        const NodeId last = load_of_table(offsetof(HashTable, seed) + offsetof(HashSeed, last), 8);
        const NodeId mixed = binary(Opcode::Mul, folded, last);
        return shift(Opcode::Shr, mixed, 2 * kHalf - maps::bucket_bits(map_->shape.max_entries));
    }

    void load_key(NodeId key) {
        const Region region =
            function_.nodes[key].opcode == Opcode::FrameAddress ? Region::Frame : Region::Unknown;
        const std::uint32_t bytes = map_->shape.key_size;
        word_bytes_ = std::min<std::uint32_t>(bytes, sizeof(std::uint64_t));
        word_count_ = bytes / word_bytes_;
        for (unsigned i = 0; i < word_count_; ++i)
            words_[i] = load(key, std::size_t{i} * word_bytes_, word_bytes_, region);
    }

    /// Ends the block: to `yes` if the element has the key, else to `no`.
    void branch_on_key(NodeId element, BlockId yes, BlockId no) {
        NodeId differs[2] = {};
        for (unsigned i = 0; i < word_count_; ++i) {
            const NodeId there =
                load_of_map(element, sizeof(HashElement) + std::size_t{i} * word_bytes_, word_bytes_);
            differs[i] = binary(Opcode::Xor, there, words_[i]);
        }
        const NodeId all = word_count_ == 1 ? differs[0] : binary(Opcode::Or, differs[0], differs[1]);
        append({.opcode = Opcode::Branch, .condition = JumpOp::Eq}, {all, constant(0)});
        connect(block_, 0, yes);
        connect(block_, 1, no);
    }

    /// from: reference = first of the bucket
    /// head: reference = phi; if (reference == 0) goto rest with 0
    /// probe: if the element has the key, goto rest with the value's address
    /// next: reference = the element's next; goto head
    void expand(BlockId from, std::size_t place) {
        const std::vector<NodeId> nodes = std::exchange(function_.blocks[from].nodes, {});
        function_.blocks[from].nodes.assign(nodes.begin(),
                                            nodes.begin() + static_cast<std::ptrdiff_t>(place));
        const NodeId lookup = nodes[place];
        const Node node = function_.nodes[lookup];
        slot_ = node.slot;
        block_ = from;
        map_ = &bindings_.maps[static_cast<std::size_t>(node.imm)];
        const auto head = static_cast<BlockId>(function_.blocks.size());
        const BlockId probe = head + 1;
        const BlockId next = head + 2;
        const BlockId rest = head + 3;
        function_.blocks.resize(function_.blocks.size() + 4);

        handle_ = append({.opcode = Opcode::MapHandle, .imm = node.imm}, {});
        load_key(function_.input(node, 0));
        const NodeId table = load_of_table(offsetof(HashTable, region), 8);
        const NodeId bucket = binary(Opcode::Add, table, shift(Opcode::Shl, bucket_index(), kReferenceBits));
        const NodeId first = load_of_map(bucket, maps::kBucketsOffset, sizeof(HashElement::next));
        const NodeId none = constant(0);
        append({.opcode = Opcode::Jump}, {});
        move_rest(from, rest, std::span(nodes).subspan(place + 1));
        connect(from, 0, head);

        block_ = head;
        const NodeId reference = append({.opcode = Opcode::Phi}, {first, first});
        append({.opcode = Opcode::Branch, .condition = JumpOp::Ne}, {reference, none});
        connect(head, 0, probe);
        connect(head, 1, rest);

        block_ = probe;
        const NodeId element = binary(Opcode::Add, table, shift(Opcode::Shl, reference, kUnitBits));
        const NodeId value =
            binary(Opcode::Add, element, constant(maps::hash_value_offset(map_->shape.key_size)));
        branch_on_key(element, rest, next);

        block_ = next;
        const NodeId following = load_of_map(element, offsetof(HashElement, next), sizeof(HashElement::next));
        append({.opcode = Opcode::Jump}, {});
        connect(next, 0, head);
        function_.inputs[function_.nodes[reference].first_input + 1] = following;

        const NodeId result =
            function_.add({.opcode = Opcode::Phi, .block = rest, .slot = slot_}, {none, value});
        auto& following_nodes = function_.blocks[rest].nodes;
        following_nodes.insert(following_nodes.begin(), result);
        replacements_.replace(lookup, result);
    }

    const engine::Bindings& bindings_;
    Replacements replacements_;
    const engine::MapBinding* map_ = nullptr;
    NodeId handle_ = 0;
    NodeId words_[2] = {};
    unsigned word_count_ = 0;
    std::uint32_t word_bytes_ = 0;
};

}  // namespace

void expand_hash_lookups(Function& function, const engine::Bindings& bindings) {
    HashExpander(function, bindings).run();
}

}  // namespace ebpf::ir
