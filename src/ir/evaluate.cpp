// SPDX-License-Identifier: MIT
#include "ir/evaluate.hpp"

#include <cstring>
#include <utility>
#include <vector>

#include "ir/opcode.hpp"
#include "isa/semantics.hpp"

namespace ebpf::ir {
namespace {

template <typename T>
T* pointer(std::uint64_t address) {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(address));
}

std::uint64_t read_memory(std::uint64_t address, std::uint8_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, pointer<const void>(address), size);
    return value;
}

/// Everything about a run that its calls share.
struct Run {
    const Module& module;
    const engine::Bindings& bindings;
    engine::Invocation& invocation;
    std::uint64_t nodes_left;
    Status status = Status::Ok;
    bool has_left = false;  ///< a tail call has succeeded: everything returns
};

class Frame {
  public:
    Frame(Run& run, const Function& function, std::vector<std::uint64_t> arguments)
        : run_(run),
          function_(function),
          arguments_(std::move(arguments)),
          values_(function.nodes.size()),
          memory_(function.frame_bytes / sizeof(std::uint64_t)) {}

    std::uint64_t run() {
        while (is_running_) {
            const Block& block = function_.blocks[block_];
            const std::size_t phis = enter(block);
            for (std::size_t i = phis; i < block.nodes.size() && is_running_; ++i) {
                step(block.nodes[i]);
                if (run_.status != Status::Ok || run_.has_left) return 0;
                if (--run_.nodes_left == 0) return fail(Status::TimedOut);
            }
        }
        return result_;
    }

  private:
    std::uint64_t fail(Status status) {
        run_.status = status;
        is_running_ = false;
        return 0;
    }

    /// All phis take their inputs at once. Returns how many there are.
    std::size_t enter(const Block& block) {
        std::size_t side = 0;
        while (side < block.predecessors.size() && block.predecessors[side] != before_) ++side;
        std::size_t count = 0;
        fresh_.clear();
        for (const NodeId id : block.nodes) {
            const Node& node = function_.nodes[id];
            if (node.opcode != Opcode::Phi) break;
            fresh_.push_back(values_[function_.inputs[node.first_input + side]]);
            ++count;
        }
        for (std::size_t i = 0; i < count; ++i) values_[block.nodes[i]] = fresh_[i];
        return count;
    }

    std::uint64_t input(const Node& node, unsigned i) const { return values_[function_.input(node, i)]; }

    std::uint64_t address(const Node& node) const {
        return input(node, 0) + static_cast<std::uint64_t>(node.imm);
    }

    void go_to(BlockId block) {
        before_ = block_;
        block_ = block;
    }

    void leave(std::uint64_t result) {
        result_ = result;
        is_running_ = false;
    }

    void step(NodeId id) {
        const Node& node = function_.nodes[id];
        if (opcode_spec(node.opcode).is_pure) {
            values_[id] = pure(node);
        } else if (node.opcode == Opcode::Jump || node.opcode == Opcode::Branch) {
            const auto& successors = function_.blocks[block_].successors;
            const bool is_second =
                node.opcode == Opcode::Branch &&
                !isa::eval_jump(node.condition, node.width, input(node, 0), input(node, 1));
            go_to(successors[is_second ? 1 : 0]);
        } else if (node.opcode == Opcode::Return) {
            leave(input(node, 0));
        } else if (node.opcode == Opcode::CallHelper || node.opcode == Opcode::TailCall) {
            values_[id] = call_helper(node);
        } else if (node.opcode == Opcode::CallLocal) {
            values_[id] = call_local(node);
        } else if (node.opcode == Opcode::MapLookup) {
            values_[id] = look_up(node);
        } else if (node.opcode == Opcode::PacketLoad) {
            values_[id] = load_packet(node);
        } else {
            values_[id] = access(node);
        }
    }

    std::uint64_t pure(const Node& node) {
        if (node.opcode == Opcode::Parameter) return arguments_[static_cast<std::size_t>(node.imm)];
        if (node.opcode == Opcode::FrameAddress) {
            return reinterpret_cast<std::uintptr_t>(memory_.data() + memory_.size()) +
                   static_cast<std::uint64_t>(node.imm);
        }
        if (node.opcode == Opcode::CodeAddress) return static_cast<std::uint64_t>(node.imm) + 1;
        if (node.opcode == Opcode::MapHandle) return map(node.imm).handle;
        if (node.opcode == Opcode::MapValue)
            return map(node.imm & 0xffffffff).value_address + (static_cast<std::uint64_t>(node.imm) >> 32U);
        std::uint64_t values[4] = {};
        for (unsigned i = 0; i < node.input_count; ++i) values[i] = input(node, i);
        return evaluate_pure(node, values[0], values[1], values[2], values[3]);
    }

    engine::MapBinding map(std::int64_t index) {
        const auto at = static_cast<std::size_t>(index);
        if (at < run_.bindings.maps.size()) return run_.bindings.maps[at];
        fail(Status::NotFound);
        return {};
    }

    std::uint64_t access(const Node& node) {
        const std::uint64_t at = address(node);
        const std::uint64_t old = node.opcode == Opcode::Store || node.opcode == Opcode::StoreRelease
                                      ? 0
                                      : read_memory(at, node.size);
        if (node.opcode == Opcode::Load || node.opcode == Opcode::LoadAcquire)
            return node.is_signed ? isa::sign_extend(node.size, old) : old;
        std::uint64_t fresh = input(node, 1);
        if (node.opcode == Opcode::Atomic) {
            const std::uint64_t expected = node.input_count > 2 ? input(node, 2) : 0;
            fresh = isa::eval_atomic(node.atomic, node.size, old, fresh, expected);
        }
        std::memcpy(pointer<void>(at), &fresh, node.size);
        return old;
    }

    std::uint64_t call_helper(const Node& node) {
        for (const engine::HelperBinding& helper : run_.bindings.helpers) {
            if (helper.id != node.imm) continue;
            std::uint64_t values[5] = {};
            for (unsigned i = 0; i < node.input_count; ++i) values[i] = input(node, i);
            const std::uint64_t result =
                helper.function(values[0], values[1], values[2], values[3], values[4], run_.invocation);
            run_.has_left = node.opcode == Opcode::TailCall && run_.invocation.tail_target != nullptr;
            return result;
        }
        return fail(Status::NotFound);
    }

    std::uint64_t call_local(const Node& node) {
        std::vector<std::uint64_t> arguments;
        for (const NodeId id : function_.inputs_of(node)) arguments.push_back(values_[id]);
        return Frame(run_, run_.module.functions[static_cast<std::size_t>(node.imm)], std::move(arguments))
            .run();
    }

    std::uint64_t look_up(const Node& node) {
        const engine::MapBinding binding = map(node.imm);
        if (binding.lookup == nullptr) return fail(Status::NotFound);
        return reinterpret_cast<std::uintptr_t>(
            binding.lookup(binding.handle, pointer<const void>(input(node, 0))));
    }

    std::uint64_t load_packet(const Node& node) {
        std::int64_t offset = node.imm;
        if (node.input_count != 0)
            offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(input(node, 0)) +
                                               static_cast<std::uint32_t>(node.imm));
        const engine::Invocation& invocation = run_.invocation;
        if (invocation.packet_data == nullptr || offset < 0) return leave_with_zero();
        const std::uint8_t* bytes = *invocation.packet_data + offset;
        if (*invocation.packet_data_end - *invocation.packet_data < offset + node.size)
            return leave_with_zero();
        std::uint64_t value = 0;
        for (unsigned i = 0; i < node.size; ++i) value = value << 8U | bytes[i];
        return value;
    }

    std::uint64_t leave_with_zero() {
        leave(0);
        return 0;
    }

    Run& run_;
    const Function& function_;
    std::vector<std::uint64_t> arguments_;
    std::vector<std::uint64_t> values_;
    std::vector<std::uint64_t> memory_;
    std::vector<std::uint64_t> fresh_;
    BlockId block_ = 0;
    BlockId before_ = kNone;
    std::uint64_t result_ = 0;
    bool is_running_ = true;
};

// engine::Invocation::call_back.
std::uint64_t call_back(engine::Invocation& invocation, std::uint64_t code, std::uint64_t r1,
                        std::uint64_t r2, std::uint64_t r3, std::uint64_t r4) noexcept {
    constexpr std::uint64_t kStop = 1;
    auto& run = *static_cast<Run*>(invocation.engine_state);
    const auto index = static_cast<std::size_t>(code - 1);
    if (index >= run.module.functions.size()) run.status = Status::NotFound;
    if (run.status != Status::Ok) return kStop;
    const std::uint64_t result = Frame(run, run.module.functions[index], {r1, r2, r3, r4, 0}).run();
    return run.status == Status::Ok ? result : kStop;
}

}  // namespace

std::expected<std::uint64_t, Status> evaluate(const Module& module, const engine::Bindings& bindings,
                                              engine::Invocation& invocation, std::uint64_t most_nodes) {
    Run run{module, bindings, invocation, most_nodes};
    invocation.tail_target = nullptr;
    invocation.call_back = call_back;
    invocation.engine_state = &run;
    const std::uint64_t result =
        Frame(run, module.functions[0], {reinterpret_cast<std::uintptr_t>(invocation.context), invocation.r2})
            .run();
    invocation.engine_state = nullptr;  // `run` ends here
    if (run.status != Status::Ok) return std::unexpected(run.status);
    return result;
}

}  // namespace ebpf::ir
