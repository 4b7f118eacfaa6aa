// SPDX-License-Identifier: MIT
#include "analysis/graph.hpp"

#include <algorithm>

#include "analysis/loop_order.hpp"

namespace ebpf::analysis {
namespace {

using spec::Family;

bool is_real(const isa::Instruction& instruction) {
    return instruction.spec().family != Family::WideTail;
}

class Builder {
  public:
    explicit Builder(std::span<const isa::Instruction> code) : code_(code) {}

    std::expected<Graph, GraphFailure> build() {
        if (code_.empty()) return std::unexpected(GraphFailure{spec::Rule::BadRequest, 0, 0});
        find_functions();
        if (!check_functions() || !check_calls()) return std::unexpected(failure_);
        make_blocks();
        if (!check_reachable()) return std::unexpected(failure_);
        for (std::uint32_t function = 0; function < graph_.functions.size(); ++function) {
            if (!order_blocks(graph_, function)) {
                refuse(spec::Rule::WorkLimit, graph_.functions[function].first_slot, 0);
                return std::unexpected(failure_);
            }
        }
        return std::move(graph_);
    }

  private:
    bool refuse(spec::Rule rule, std::uint32_t slot, std::uint32_t other) {
        failure_ = {rule, slot, other};
        return false;
    }

    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(code_.size()); }

    [[nodiscard]] std::uint32_t target_of(std::uint32_t slot) const {
        return static_cast<std::uint32_t>(isa::jump_target(code_[slot], code_[slot].spec(), slot));
    }

    /// Functions begin at slot 0 and at the targets of local calls, and reach up to the next one.
    void find_functions() {
        std::vector<std::uint32_t> starts{0};
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            if (code_[slot].spec().family == Family::CallLocal) starts.push_back(target_of(slot));
        }
        std::ranges::sort(starts);
        starts.erase(std::ranges::unique(starts).begin(), starts.end());
        function_of_.assign(size(), 0);
        for (std::uint32_t i = 0; i < starts.size(); ++i) {
            Function function;
            function.first_slot = starts[i];
            function.end_slot = i + 1 < starts.size() ? starts[i + 1] : size();
            for (std::uint32_t slot = function.first_slot; slot < function.end_slot; ++slot)
                function_of_[slot] = i;
            graph_.functions.push_back(function);
        }
    }

    bool check_functions() {
        for (const Function& function : graph_.functions) {
            std::uint32_t last = function.end_slot - 1;
            while (last > function.first_slot && !is_real(code_[last])) --last;
            if (!code_[last].spec().ends_block) return refuse(spec::Rule::FallsOff, last, 0);
        }
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            if (!code_[slot].spec().may_jump) continue;
            const std::uint32_t target = target_of(slot);
            if (function_of_[target] != function_of_[slot]) return refuse(spec::Rule::JumpOut, slot, target);
        }
        return true;
    }

    /// Orders functions so that callees come first; refuses cycles and chains of more than kMaxCallFrames.
    bool check_calls() {
        const auto count = static_cast<std::uint32_t>(graph_.functions.size());
        std::vector<std::uint8_t> mark(count, 0);    // 0 new, 1 on the current chain, 2 done
        std::vector<std::uint32_t> depth(count, 1);  // frames of the deepest chain from here
        struct Visit {
            std::uint32_t function;
            std::uint32_t slot;
        };
        for (std::uint32_t root = 0; root < count; ++root) {
            if (mark[root] != 0) continue;
            std::vector<Visit> chain{{root, graph_.functions[root].first_slot}};
            mark[root] = 1;
            while (!chain.empty()) {
                Visit& visit = chain.back();
                const Function& function = graph_.functions[visit.function];
                bool descended = false;
                while (!descended && visit.slot < function.end_slot) {
                    const std::uint32_t slot = visit.slot;
                    if (code_[slot].spec().family != Family::CallLocal) {
                        ++visit.slot;
                        continue;
                    }
                    const std::uint32_t callee = function_of_[target_of(slot)];
                    if (mark[callee] == 1) return refuse(spec::Rule::Recursion, slot, target_of(slot));
                    if (mark[callee] == 0) {
                        mark[callee] = 1;
                        chain.push_back({callee, graph_.functions[callee].first_slot});
                        descended = true;  // `visit` dangles from here on: the condition must not read it
                        continue;
                    }
                    depth[visit.function] = std::max(depth[visit.function], depth[callee] + 1);
                    if (depth[visit.function] > spec::kMaxCallFrames) {
                        return refuse(spec::Rule::CallDepth, slot, target_of(slot));
                    }
                    ++visit.slot;
                }
                if (descended) continue;
                mark[chain.back().function] = 2;
                graph_.call_order.push_back(chain.back().function);
                chain.pop_back();
            }
        }
        return true;
    }

    std::vector<bool> find_leaders() const {
        std::vector<bool> is_leader(size() + 1, false);
        for (const Function& function : graph_.functions) is_leader[function.first_slot] = true;
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            const spec::FormSpec& form = code_[slot].spec();
            if (form.may_jump) is_leader[target_of(slot)] = true;
            if (form.may_jump || form.ends_block || form.family == Family::CallLocal)
                is_leader[slot + 1] = true;
        }
        return is_leader;
    }

    void make_blocks() {
        const std::vector<bool> is_leader = find_leaders();
        graph_.block_of_slot.assign(size(), kNone);
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            if (!is_real(code_[slot])) continue;
            if (is_leader[slot]) {
                Block block;
                block.first = slot;
                block.function = function_of_[slot];
                Function& function = graph_.functions[block.function];
                const auto index = static_cast<std::uint32_t>(graph_.blocks.size());
                if (function.block_count++ == 0) function.entry = index;
                graph_.block_of_slot[slot] = index;
                graph_.blocks.push_back(std::move(block));
            }
            graph_.blocks.back().last = slot;
        }
        for (Block& block : graph_.blocks) {
            const spec::FormSpec& form = code_[block.last].spec();
            const std::uint32_t next = block.last + form.slots;
            if (!form.ends_block) block.successors[0] = graph_.block_of_slot[next];
            if (form.may_jump) block.successors[1] = graph_.block_of_slot[target_of(block.last)];
            for (const std::uint32_t successor : block.successors) {
                if (successor != kNone) ++graph_.blocks[successor].predecessors;
            }
        }
    }

    bool check_reachable() {
        std::vector<bool> seen(graph_.blocks.size(), false);
        std::vector<std::uint32_t> work;
        for (const Function& function : graph_.functions) work.push_back(function.entry);
        for (const std::uint32_t block : work) seen[block] = true;
        while (!work.empty()) {
            const Block& block = graph_.blocks[work.back()];
            work.pop_back();
            for (const std::uint32_t successor : block.successors) {
                if (successor == kNone || seen[successor]) continue;
                seen[successor] = true;
                work.push_back(successor);
            }
        }
        for (std::size_t i = 0; i < seen.size(); ++i) {
            if (!seen[i]) return refuse(spec::Rule::Unreachable, graph_.blocks[i].first, 0);
        }
        return check_called();
    }

    /// A function that only unreachable or uncalled functions call is unreachable too.
    bool check_called() {
        std::vector<bool> called(graph_.functions.size(), false);
        called[0] = true;
        for (auto it = graph_.call_order.rbegin(); it != graph_.call_order.rend(); ++it) {
            if (!called[*it]) continue;
            const Function& function = graph_.functions[*it];
            for (std::uint32_t slot = function.first_slot; slot < function.end_slot; ++slot) {
                if (code_[slot].spec().family == Family::CallLocal)
                    called[function_of_[target_of(slot)]] = true;
            }
        }
        for (std::size_t i = 0; i < called.size(); ++i) {
            if (!called[i]) return refuse(spec::Rule::Unreachable, graph_.functions[i].first_slot, 0);
        }
        return true;
    }

    std::span<const isa::Instruction> code_;
    Graph graph_;
    GraphFailure failure_;
    std::vector<std::uint32_t> function_of_;
};

}  // namespace

std::expected<Graph, GraphFailure> build_graph(std::span<const isa::Instruction> code) {
    return Builder(code).build();
}

}  // namespace ebpf::analysis
