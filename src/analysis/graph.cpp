// SPDX-License-Identifier: MIT
#include "analysis/graph.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "analysis/loop_order.hpp"
#include "check/step.hpp"

namespace ebpf::analysis {
namespace {

using spec::Family;

bool is_real(const isa::Instruction& instruction) {
    return instruction.spec().family != Family::WideTail;
}

/// True for calls that may run functions of the program.
bool is_function_call(const isa::Instruction& instruction) {
    const Family family = instruction.spec().family;
    if (family == Family::CallLocal || family == Family::CallRegister) return true;
    return family == Family::CallHelper &&
           check::callback_kind(static_cast<std::uint32_t>(instruction.imm)) != spec::CallbackKind::None;
}

class Builder {
  public:
    explicit Builder(std::span<const isa::Instruction> code) : code_(code) {}

    std::expected<Graph, GraphFailure> build() {
        if (code_.empty()) return std::unexpected(GraphFailure{spec::Rule::BadRequest, 0, 0});
        if (!check_addresses()) return std::unexpected(failure_);
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

    /// Addresses of code are those of instructions behind the first one.
    bool check_addresses() {
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            if (!isa::takes_code_address(code_[slot])) continue;
            const std::int64_t target = isa::code_address_target(code_[slot], slot);
            const bool is_inside = target > 0 && target < std::int64_t{size()};
            if (is_inside && is_real(code_[static_cast<std::size_t>(target)])) continue;
            return refuse(spec::Rule::CodeReference, slot, static_cast<std::uint32_t>(target));
        }
        return true;
    }

    /// The first slot of the function that the instruction calls or takes the address of.
    [[nodiscard]] std::optional<std::uint32_t> entry_named_at(std::uint32_t slot) const {
        if (code_[slot].spec().family == Family::CallLocal) return target_of(slot);
        if (!isa::takes_code_address(code_[slot])) return std::nullopt;
        return static_cast<std::uint32_t>(isa::code_address_target(code_[slot], slot));
    }

    /// Functions begin at slot 0 and at entries that some instruction names, and reach up to the next one.
    void find_functions() {
        std::vector<std::uint32_t> starts{0};
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            if (const auto entry = entry_named_at(slot)) starts.push_back(*entry);
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

    bool check_calls() {
        auto order = order_calls(graph_, local_calls(code_, graph_));
        if (order) return true;
        failure_ = order.error();
        return false;
    }

    std::vector<bool> find_leaders() const {
        std::vector<bool> is_leader(size() + 1, false);
        for (const Function& function : graph_.functions) is_leader[function.first_slot] = true;
        for (std::uint32_t slot = 0; slot < size(); ++slot) {
            const spec::FormSpec& form = code_[slot].spec();
            if (form.may_jump) is_leader[target_of(slot)] = true;
            if (form.may_jump || form.ends_block || is_function_call(code_[slot])) is_leader[slot + 1] = true;
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

    /// A function that only unreachable or uncalled functions call, or take the address of, is unreachable
    /// too.
    bool check_called() {
        std::vector<bool> called(graph_.functions.size(), false);
        called[0] = true;
        std::vector<std::uint32_t> work{0};
        while (!work.empty()) {
            const Function& function = graph_.functions[work.back()];
            work.pop_back();
            for (std::uint32_t slot = function.first_slot; slot < function.end_slot; ++slot) {
                const std::optional<std::uint32_t> entry = entry_named_at(slot);
                if (!entry || called[function_of_[*entry]]) continue;
                called[function_of_[*entry]] = true;
                work.push_back(function_of_[*entry]);
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

std::vector<CallEdge> local_calls(std::span<const isa::Instruction> code, const Graph& graph) {
    std::vector<CallEdge> edges;
    for (std::uint32_t caller = 0; caller < graph.functions.size(); ++caller) {
        const Function& function = graph.functions[caller];
        for (std::uint32_t slot = function.first_slot; slot < function.end_slot; ++slot) {
            if (code[slot].spec().family != Family::CallLocal) continue;
            const std::int64_t target = isa::jump_target(code[slot], code[slot].spec(), slot);
            edges.push_back({caller, function_at(graph, static_cast<std::uint32_t>(target)), slot});
        }
    }
    return edges;
}

std::uint32_t function_at(const Graph& graph, std::uint32_t slot) {
    const auto after = std::ranges::upper_bound(graph.functions, slot, {}, &Function::first_slot);
    return static_cast<std::uint32_t>(after - graph.functions.begin()) - 1;
}

std::expected<std::vector<std::uint32_t>, GraphFailure> order_calls(const Graph& graph,
                                                                    std::vector<CallEdge> edges) {
    std::ranges::sort(edges, {}, [](const CallEdge& edge) { return std::pair(edge.caller, edge.slot); });
    const auto count = static_cast<std::uint32_t>(graph.functions.size());
    std::vector<std::uint32_t> first(count + 1,
                                     0);  // edges of a caller: first[caller] up to first[caller + 1]
    for (const CallEdge& edge : edges) ++first[edge.caller + 1];
    for (std::uint32_t i = 0; i < count; ++i) first[i + 1] += first[i];
    std::vector<std::uint8_t> mark(count, 0);    // 0 new, 1 on the current chain, 2 done
    std::vector<std::uint32_t> depth(count, 1);  // frames of the deepest chain from here
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    std::vector<std::uint32_t> order;
    for (std::uint32_t root = 0; root < count; ++root) {
        if (mark[root] != 0) continue;
        std::vector<std::uint32_t> chain{root};
        mark[root] = 1;
        while (!chain.empty()) {
            const std::uint32_t caller = chain.back();
            if (next[caller] == first[caller + 1]) {
                mark[caller] = 2;
                order.push_back(caller);
                chain.pop_back();
                continue;
            }
            const CallEdge& edge = edges[next[caller]];
            const std::uint32_t entry = graph.functions[edge.callee].first_slot;
            if (mark[edge.callee] == 1)
                return std::unexpected(GraphFailure{spec::Rule::Recursion, edge.slot, entry});
            if (mark[edge.callee] == 0) {
                mark[edge.callee] = 1;
                chain.push_back(edge.callee);
                continue;  // and take the edge again when the callee is done
            }
            depth[caller] = std::max(depth[caller], depth[edge.callee] + 1);
            if (depth[caller] > spec::kMaxCallFrames)
                return std::unexpected(GraphFailure{spec::Rule::CallDepth, edge.slot, entry});
            ++next[caller];
        }
    }
    return order;
}

}  // namespace ebpf::analysis
