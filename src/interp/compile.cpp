// SPDX-License-Identifier: MIT
// Instructions to operations: handlers are chosen, helpers and maps bound, constants put in place.
#include "interp/interp.hpp"

#include <new>

#include "base/allocate.hpp"
#include "base/try.hpp"
#include "interp/frames.hpp"
#include "interp/fuse.hpp"
#include "interp/op.hpp"
#include "interp/run.hpp"
#include "interp/select.hpp"

namespace ebpf::interp {
namespace {

using spec::Family;
using spec::WideKind;

constexpr std::size_t kAlignment = 64;
static_assert(alignof(Program) <= kAlignment && sizeof(Program) % alignof(Op) == 0);

std::size_t allocation_bytes(std::size_t op_count) {
    return sizeof(Program) + op_count * sizeof(Op);
}

void destroy(engine::Image* image) noexcept {
    auto* program = static_cast<Program*>(image);
    const std::size_t bytes = program->bytes;
    program->~Program();
    release(program, bytes, kAlignment);
}

class Compiler {
  public:
    Compiler(const isa::Code& code, const engine::Bindings& bindings, const Frames& frames, Dispatch dispatch,
             Refusal& refusal)
        : code_(code), bindings_(bindings), frames_(frames), dispatch_(dispatch), refusal_(refusal) {}

    Status emit(Op* ops) {
        for (std::size_t slot = 0; slot < code_.size(); ++slot) {
            if (code_[slot].spec().family == Family::WideTail) continue;
            const Status status = emit_instruction(ops, slot);
            if (status != Status::Ok) return status;
            fuse(ops[slot], slot);
        }
        return Status::Ok;
    }

  private:
    Status refuse(Status status, std::size_t slot, const char* what, std::int64_t value) {
        refusal_ = {static_cast<std::uint32_t>(slot), what, value};
        return status;
    }

    void put(Op& op, const Handler& handler) const {
#if EBPF_INTERP_CHAINED
        if (dispatch_ == Dispatch::Best) {
            op.chain = handler.chain;
            return;
        }
#endif
        op.step = handler.step;
    }

    /// Lets the op do the next instruction's work as well, if they are a pair that fuse.hpp has. An observer
    /// wants to see each.
    void fuse([[maybe_unused]] Op& op, [[maybe_unused]] std::size_t slot) const {
#if EBPF_INTERP_CHAINED
        if (dispatch_ != Dispatch::Best) return;
        const auto rest = std::span<const isa::Instruction>(code_.data(), code_.size()).subspan(slot + 1);
        if (const ChainHandler pair = select_pair(code_[slot], rest)) op.chain = pair;
#endif
    }

    Status emit_instruction(Op* ops, std::size_t slot) {
        const isa::Instruction& instruction = code_[slot];
        const spec::FormSpec& form = instruction.spec();
        const Handler handler = select_handler(form);
        if (handler.step == nullptr) {
            return refuse(Status::NotSupported, slot,
                          form.family == Family::CallKfunc ? "kfunc call" : "indirect call", instruction.imm);
        }
        Op& op = ops[slot];
        op.fields = {instruction.dst, instruction.src, instruction.offset,
                     static_cast<std::int32_t>(instruction.imm)};
        put(op, handler);
        if (form.family == Family::LoadImm64) return emit_constant(ops[slot + 1], slot);
        if (form.family == Family::CallHelper) return emit_helper(op, slot);
        return Status::Ok;
    }

    Status emit_helper(Op& op, std::size_t slot) {
        const std::int64_t id = code_[slot].imm;
        for (const engine::HelperBinding& helper : bindings_.helpers) {
            if (helper.id != id || helper.function == nullptr) continue;
            op.function = helper.function;
            if (helper.is_tail_call) put(op, handler_of<CallTailHandler>());
            return Status::Ok;
        }
        return refuse(Status::NotFound, slot, "helper", id);
    }

    Status emit_constant(Op& op, std::size_t slot) {
        const isa::Instruction& instruction = code_[slot];
        const auto imm = static_cast<std::uint64_t>(instruction.imm);
        const WideKind kind = instruction.spec().wide;
        switch (kind) {
            case WideKind::Value:
                op.wide = imm;
                return Status::Ok;
            case WideKind::MapIndex:
            case WideKind::MapIndexValue: {
                const std::uint64_t index = imm & 0xffffffffU;
                if (index >= bindings_.maps.size()) {
                    return refuse(Status::NotFound, slot, "map index", static_cast<std::int64_t>(index));
                }
                const engine::MapBinding& map = bindings_.maps[index];
                op.wide = kind == WideKind::MapIndex ? map.handle : map.value_address + (imm >> 32U);
                if (kind == WideKind::MapIndexValue && map.value_address == 0) {
                    return refuse(Status::NotSupported, slot, "address of a value in map index",
                                  static_cast<std::int64_t>(index));
                }
                return Status::Ok;
            }
            case WideKind::CodeAddress: {
                // First slot, and the frames that the function takes (Machine::enter_callback).
                const auto target = static_cast<std::size_t>(
                    isa::code_address_target(instruction, static_cast<std::int64_t>(slot)));
                op.wide = std::uint64_t{frames_.of_function[target]} << 32U | target;
                return Status::Ok;
            }
            case WideKind::MapFd:
            case WideKind::MapFdValue:
            case WideKind::VariableAddress:
                break;
        }
        return refuse(Status::NotSupported, slot, "unresolved wide immediate of kind",
                      static_cast<std::int64_t>(kind));
    }

    const isa::Code& code_;
    const engine::Bindings& bindings_;
    const Frames& frames_;
    [[maybe_unused]] Dispatch dispatch_;
    Refusal& refusal_;
};

}  // namespace

StatusOr<engine::Image*> compile(const isa::Code& code, const engine::Bindings& bindings,
                                 const Options& options) noexcept {
    Refusal unread;
    Refusal& refusal = options.refusal != nullptr ? *options.refusal : unread;
    refusal = {};
    EBPF_TRY(const Frames frames, count_frames(code, refusal));
    const std::size_t bytes = allocation_bytes(code.size());
    void* memory = allocate(bytes, kAlignment);
    if (memory == nullptr) return std::unexpected(Status::OutOfMemory);
    auto* program = ::new (memory) Program;
    Op* ops = reinterpret_cast<Op*>(static_cast<std::byte*>(memory) + sizeof(Program));
    for (std::size_t i = 0; i < code.size(); ++i) ::new (static_cast<void*>(ops + i)) Op{};
    program->kind = engine::EngineKind::Interpreter;
    program->dispatch = EBPF_INTERP_CHAINED != 0 ? options.dispatch : Dispatch::Stepping;
    program->run = program->dispatch == Dispatch::Best ? run_chained : run_stepping;
    program->destroy = destroy;
    program->bytes = bytes;
    program->ops = ops;
    program->op_count = code.size();
    program->frames = frames.program;
    const Status status = Compiler(code, bindings, frames, program->dispatch, refusal).emit(ops);
    if (status != Status::Ok) {
        destroy(program);
        return std::unexpected(status);
    }
    return program;
}

}  // namespace ebpf::interp
