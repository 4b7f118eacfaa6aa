// SPDX-License-Identifier: MIT
#include "analysis/loop_order.hpp"

#include <algorithm>

namespace ebpf::analysis {
namespace {

/// Blocks still to be ordered, all inside the loops whose heads' positions are `loops`. The first block is
/// where the search starts.
struct Region {
    std::vector<std::uint32_t> blocks;
    std::vector<std::uint32_t> loops;
    std::uint32_t head = kNone;  ///< set: emit this head first, then order the rest
};

/// Strongly connected components of a region by Tarjan's algorithm, with an explicit stack.
class Components {
  public:
    Components(const Graph& graph, std::vector<std::uint32_t>& region_of)
        : graph_(graph),
          region_of_(region_of),
          index_(region_of.size(), 0),
          low_(region_of.size(), 0),
          on_stack_(region_of.size(), false) {}

    /// Returns the components of `region` in topological order; the first block of each is the one found
    /// first.
    std::vector<std::vector<std::uint32_t>> find(const Region& region, std::uint32_t base,
                                                 std::uint32_t mark) {
        base_ = base;
        found_.clear();
        next_ = 0;
        for (const std::uint32_t block : region.blocks) {
            region_of_[block - base_] = mark;
            index_[block - base_] = 0;
        }
        for (const std::uint32_t block : region.blocks) {
            if (index_[block - base_] == 0) search(block, mark);
        }
        std::ranges::reverse(found_);
        return std::move(found_);
    }

  private:
    struct Visit {
        std::uint32_t block;
        std::uint32_t edge;
    };

    void enter(std::uint32_t block) {
        index_[block - base_] = low_[block - base_] = ++next_;
        on_stack_[block - base_] = true;
        open_.push_back(block);
        visits_.push_back({block, 0});
    }

    void search(std::uint32_t root, std::uint32_t mark) {
        enter(root);
        while (!visits_.empty()) {
            const std::uint32_t block = visits_.back().block;
            if (visits_.back().edge < 2) {
                const std::uint32_t next = graph_.blocks[block].successors[visits_.back().edge++];
                if (next == kNone || region_of_[next - base_] != mark) continue;
                if (index_[next - base_] == 0) {
                    enter(next);
                } else if (on_stack_[next - base_]) {
                    low_[block - base_] = std::min(low_[block - base_], index_[next - base_]);
                }
                continue;
            }
            visits_.pop_back();
            if (!visits_.empty()) {
                std::uint32_t& low = low_[visits_.back().block - base_];
                low = std::min(low, low_[block - base_]);
            }
            if (low_[block - base_] == index_[block - base_]) close(block);
        }
    }

    void close(std::uint32_t root) {
        std::vector<std::uint32_t> component;
        std::uint32_t block = kNone;
        do {
            block = open_.back();
            open_.pop_back();
            on_stack_[block - base_] = false;
            component.push_back(block);
        } while (block != root);
        std::ranges::reverse(component);  // the root, found first, leads
        found_.push_back(std::move(component));
    }

    const Graph& graph_;
    std::vector<std::uint32_t>& region_of_;
    std::vector<std::uint32_t> index_;
    std::vector<std::uint32_t> low_;
    std::vector<bool> on_stack_;
    std::vector<std::uint32_t> open_;
    std::vector<Visit> visits_;
    std::vector<std::vector<std::uint32_t>> found_;
    std::uint32_t base_ = 0;
    std::uint32_t next_ = 0;
};

bool loops_to_itself(const Block& block, std::uint32_t index) {
    return block.successors[0] == index || block.successors[1] == index;
}

}  // namespace

bool order_blocks(Graph& graph, std::uint32_t function_index) {
    const Function& function = graph.functions[function_index];
    std::vector<std::uint32_t> region_of(function.block_count, 0);
    Components components(graph, region_of);
    std::vector<Region> work(1);
    for (std::uint32_t i = 0; i < function.block_count; ++i) work[0].blocks.push_back(function.entry + i);
    std::uint32_t next_position = 0;
    std::uint32_t next_mark = 0;
    while (!work.empty()) {
        Region region = std::move(work.back());
        work.pop_back();
        if (region.head != kNone) {
            Block& head = graph.blocks[region.head];
            head.position = next_position++;
            head.is_loop_head = true;
            region.loops.push_back(head.position);
            head.loops = region.loops;
            if (region.loops.size() > kMaxLoopNesting) return false;
            if (region.blocks.empty()) continue;
        } else if (region.blocks.size() == 1 &&
                   !loops_to_itself(graph.blocks[region.blocks[0]], region.blocks[0])) {
            Block& block = graph.blocks[region.blocks[0]];
            block.position = next_position++;
            block.loops = std::move(region.loops);
            continue;
        }
        // Regions are ordered last to first on the work stack, so that the first is taken next.
        std::vector<std::vector<std::uint32_t>> found = components.find(region, function.entry, ++next_mark);
        for (auto component = found.rbegin(); component != found.rend(); ++component) {
            Region part;
            part.loops = region.loops;
            const std::uint32_t first = component->front();
            if (component->size() > 1 || loops_to_itself(graph.blocks[first], first)) {
                part.head = first;
                part.blocks.assign(component->begin() + 1, component->end());
            } else {
                part.blocks = std::move(*component);
            }
            work.push_back(std::move(part));
        }
    }
    return true;
}

}  // namespace ebpf::analysis
