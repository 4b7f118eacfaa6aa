// SPDX-License-Identifier: MIT
#include "analysis/explore.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "analysis/liveness.hpp"
#include "check/access.hpp"
#include "check/entail.hpp"
#include "check/step.hpp"

namespace ebpf::analysis {
namespace {

using check::Kind;
using check::State;
using spec::Family;

/// A point of the unrolled program. For each active function: for each loop around the point, outermost
/// first, the position of its head and the iteration; then the position of the block.
using Key = std::vector<std::uint32_t>;

struct Task {
    State state;
    std::uint64_t hash = 0;
    std::uint32_t decision = kNone;
};

/// The states that wait at a point.
struct Bucket {
    std::uint32_t block = 0;
    bool is_iteration = false;         ///< the point is not the block's start but an iteration of its helper
    std::vector<std::uint32_t> calls;  ///< blocks that end in the active calls, outermost first
    std::vector<Task> tasks;
    std::uint64_t bytes = 0;  ///< held besides the states
};

/// What the iterations of one call of a helper that calls back started with.
struct CallbackWatch {
    Key activation;             ///< the point without the iteration
    std::vector<State> starts;  ///< that were followed
    std::size_t last_widened = kNone;
};

/// Behind the key of the block that ends with a helper's call: callback, map, how iterations are followed,
/// and the iteration.
constexpr std::size_t kIterationSegment = 4;
/// How: iterations that bring nothing new are dropped; or each is followed with its exact number.
constexpr std::uint32_t kUntilStable = 0;
constexpr std::uint32_t kOneByOne = 1;
/// Most calls of a callback that are followed one by one.
constexpr std::uint32_t kMostCounted = 1024;
/// Iterations that are followed as they are before what changes is given up, and iterations after which all
/// that is given up is given up of one state.
constexpr std::uint32_t kFirstWidened = 3;
constexpr std::uint32_t kFirstOfOneChain = 16;

/// What the iterations of one loop, entered once, started with.
struct LoopWatch {
    Key activation;
    std::unordered_set<std::uint64_t> starts;
};

// Work between two looks at the clock: an instruction counts 1, a step over a state 1 for so many of its
// bytes.
constexpr std::uint64_t kTimeCheckInterval = 1024;
constexpr std::uint64_t kStateBytesPerStep = 512;
constexpr std::uint32_t kStackAlignment = 16;  // as the kernel rounds frames where it compiles programs

bool is_memory(Family family) {
    switch (family) {
        case Family::Load:
        case Family::LoadSx:
        case Family::StoreImm:
        case Family::StoreReg:
        case Family::Atomic:
        case Family::LoadAcquire:
        case Family::StoreRelease:
            return true;
        case Family::WideTail:
        case Family::Alu:
        case Family::Negate:
        case Family::MoveSx:
        case Family::ByteOrder:
        case Family::LoadImm64:
        case Family::PacketAbs:
        case Family::PacketInd:
        case Family::Goto:
        case Family::Branch:
        case Family::CallHelper:
        case Family::CallLocal:
        case Family::CallKfunc:
        case Family::CallRegister:
        case Family::Exit:
            return false;
    }
    return false;
}

class Explorer {
  public:
    Explorer(const check::Program& program, const Graph& graph, const Options& options)
        : program_(program), graph_(graph), options_(options), live_(live_registers(program.code, graph)) {
        out_.accesses.assign(program.code.size(), Kind::Unusable);
        out_.reachable.assign(program.code.size(), false);
        out_.stack_bytes.assign(graph.functions.size(), 0);
    }

    Exploration run() {
        out_.result = Result::Proven;
        Task task;
        if (check::enter(program_, task.state) != Status::Ok) stop(Result::OutOfMemory, 0);
        if (out_.result == Result::Proven) {
            insert(block_key({}, graph_.functions[0].entry), graph_.functions[0].entry, {}, std::move(task));
        }
        while (out_.result == Result::Proven && !waiting_.empty()) {
            auto node = waiting_.extract(waiting_.begin());
            visit(node.key(), node.mapped());
        }
        if (out_.result == Result::Proven) check_call_chains();
        return std::move(out_);
    }

  private:
    void stop(Result result, std::uint32_t slot) {
        out_.result = result;
        out_.slot = slot;
    }

    void refuse(const check::Finding& finding, std::uint32_t slot, std::uint32_t decision) {
        out_.finding = finding;
        out_.last_decision = decision;
        stop(Result::Refused, slot);
    }

    // Keys.

    /// The key of `block` where it is entered from outside all its loops, behind the key of the caller's
    /// block.
    Key block_key(Key caller, std::uint32_t block) const {
        for (const std::uint32_t head : graph_.blocks[block].loops) {
            caller.push_back(head);
            caller.push_back(0);
        }
        caller.push_back(graph_.blocks[block].position);
        return caller;
    }

    [[nodiscard]] std::size_t segment_size(std::uint32_t block) const {
        return graph_.blocks[block].loops.size() * 2 + 1;
    }

    /// The key after an edge of one function: iterations of loops around both blocks are kept, an edge to the
    /// head of a loop around its source starts the next iteration.
    Key edge_key(const Key& key, std::uint32_t from, std::uint32_t to) const {
        const Block& source = graph_.blocks[from];
        const Block& target = graph_.blocks[to];
        const std::size_t begin = key.size() - segment_size(from);
        Key next(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(begin));
        bool is_common = true;
        for (std::size_t i = 0; i < target.loops.size(); ++i) {
            is_common = is_common && i < source.loops.size() && source.loops[i] == target.loops[i];
            const bool is_next = is_common && target.is_loop_head && i + 1 == target.loops.size();
            const std::uint32_t iteration = is_common ? key[begin + 2 * i + 1] : 0;
            next.push_back(target.loops[i]);
            next.push_back(is_next ? iteration + 1 : iteration);
        }
        next.push_back(target.position);
        return next;
    }

    // States that wait.

    /// Drops registers that are not read again. Unusable covers every value, so that the state only grows.
    void drop_dead(State& state, std::uint32_t block) const {
        for (unsigned reg = 0; reg < spec::kRegisterCount; ++reg) {
            if ((live_[block] >> reg & 1U) == 0) state.registers[reg] = check::Value{};
        }
    }

    /// The same at an iteration of the helper that `block` calls last: r1 to r3 are its arguments.
    void drop_dead_in_iteration(State& state, std::uint32_t block) const {
        const RegisterSet live = live_[graph_.blocks[block].successors[0]];
        for (unsigned reg = check::kFirstSaved; reg < check::kFirstSaved + check::kSavedRegisters; ++reg) {
            if ((live >> reg & 1U) == 0) state.registers[reg] = check::Value{};
        }
    }

    void insert(Key key, std::uint32_t block, const std::vector<std::uint32_t>& calls, Task task,
                bool is_iteration = false) {
        if (!has_time(state_steps(task.state), graph_.blocks[block].first)) return;
        if (is_iteration) {
            drop_dead_in_iteration(task.state, block);
        } else {
            drop_dead(task.state, block);
        }
        if (!task.state.normalise()) return stop(Result::OutOfMemory, graph_.blocks[block].first);
        task.hash = task.state.hash();
        ++out_.states;
        const std::uint64_t place_bytes =
            sizeof(Bucket) + (key.size() + calls.size()) * sizeof(std::uint32_t);
        const auto [place, is_new] = waiting_.try_emplace(std::move(key));
        Bucket& bucket = place->second;
        if (is_new) {
            bucket.block = block;
            bucket.is_iteration = is_iteration;
            bucket.calls = calls;
            bucket.bytes = place_bytes;
            hold(place_bytes);
        }
        if (is_covered(bucket, task)) return;
        const std::uint32_t limit = out_.states > options_.path_budget
                                        ? std::min(kOverBudgetStates, options_.max_states)
                                        : options_.max_states;
        if (bucket.tasks.size() >= limit && join_nearest(bucket, task)) return;
        hold(task.state.memory_bytes());
        bucket.tasks.push_back(std::move(task));
        out_.most_states = std::max(out_.most_states, bucket.tasks.size());
    }

    /// Drops `task` if a waiting state covers it, or the waiting states that it covers. Also true when there
    /// is no time left to find out: then the exploration ends.
    bool is_covered(Bucket& bucket, const Task& task) {
        const std::uint64_t steps = 2 * state_steps(task.state);
        for (const Task& other : bucket.tasks) {
            if (!has_time(steps, graph_.blocks[bucket.block].first)) return true;
            if (check::entails(task.state, other.state)) return true;
        }
        std::erase_if(bucket.tasks, [&](const Task& other) {
            if (!check::entails(other.state, task.state)) return false;
            held_bytes_ -= other.state.memory_bytes();
            return true;
        });
        return false;
    }

    /// Joins `task` with the waiting state that loses least; false if it holds other references than all of
    /// them.
    bool join_nearest(Bucket& bucket, const Task& task) {
        std::size_t nearest = kNone;
        std::uint32_t least = 0xffffffff;
        for (std::size_t i = 0; i < bucket.tasks.size(); ++i) {
            if (!check::are_joinable(task.state, bucket.tasks[i].state)) continue;
            const std::uint32_t distance = check::distance(task.state, bucket.tasks[i].state);
            if (distance >= least) continue;
            least = distance;
            nearest = i;
        }
        if (nearest == kNone) return false;
        out_.has_joined = true;
        Task& other = bucket.tasks[nearest];
        State joined;
        if (check::join(other.state, task.state, joined) != Status::Ok || !joined.normalise()) {
            stop(Result::OutOfMemory, graph_.blocks[bucket.block].first);
            return true;
        }
        held_bytes_ -= other.state.memory_bytes();
        other.state = std::move(joined);
        other.hash = other.state.hash();
        hold(other.state.memory_bytes());
        return true;
    }

    void hold(std::uint64_t bytes) {
        held_bytes_ += bytes;
        out_.peak_memory_bytes = std::max(out_.peak_memory_bytes, held_bytes_);
        if (held_bytes_ > options_.max_memory_bytes) out_.result = Result::OutOfMemory;
    }

    // Visits.

    void visit(const Key& key, Bucket& bucket) {
        held_bytes_ -= bucket.bytes;
        if (bucket.is_iteration) return visit_iteration(key, bucket);
        if (graph_.blocks[bucket.block].is_loop_head && !watch_loop(key, bucket)) return;
        for (Task& task : bucket.tasks) {
            held_bytes_ -= task.state.memory_bytes();
            run_block(key, bucket, task);
            if (out_.result != Result::Proven) return;
        }
    }

    /// Refuses a loop whose iteration starts with the states of an earlier one: what follows would repeat for
    /// ever. Equal hashes of different states would refuse a program wrongly, never accept one.
    bool watch_loop(const Key& key, const Bucket& bucket) {
        Key activation = key;
        activation.erase(activation.end() - 2);  // the iteration
        std::size_t level = graph_.blocks[bucket.block].loops.size();
        for (const std::uint32_t call : bucket.calls) level += graph_.blocks[call].loops.size();
        if (watches_.size() < level) watches_.resize(level);
        LoopWatch& watch = watches_[level - 1];
        if (watch.activation != activation) watch = {std::move(activation), {}};
        std::uint64_t sum = bucket.tasks.size();
        for (const Task& task : bucket.tasks) sum += task.hash;
        if (watch.starts.insert(sum).second) return true;
        check::Finding finding;
        finding.fail(spec::Rule::InfiniteLoop, check::kNoRegister, check::Value{});
        refuse(finding, graph_.blocks[bucket.block].first, bucket.tasks.front().decision);
        return false;
    }

    void run_block(const Key& key, const Bucket& bucket, Task& task) {
        const Block& block = graph_.blocks[bucket.block];
        State taken;
        check::Outcome outcome;
        for (std::uint32_t slot = block.first;; slot = outcome.next) {
            if (!count_instruction(slot)) return;
            if (options_.observe) options_.observe(slot, task.state);
            out_.reachable[slot] = true;
            check::Finding finding;
            if (!check::check(program_, task.state, slot, finding) ||
                !note_access(task.state, slot, finding) || !note_call(task.state, slot, finding)) {
                return refuse(finding, slot, task.decision);
            }
            if (calls_back(slot)) return start_iterations(key, bucket, task, slot);
            const Status status = check::apply(program_, task.state, taken, slot, outcome);
            if (status == Status::Internal) {
                finding.fail(spec::Rule::Internal, check::kNoRegister, check::Value{});
                return refuse(finding, slot, task.decision);
            }
            if (status != Status::Ok) return stop(Result::OutOfMemory, slot);
            if (slot == block.last) break;
        }
        leave_block(key, bucket, task, std::move(taken), outcome);
    }

    void leave_block(const Key& key, const Bucket& bucket, Task& task, State taken,
                     const check::Outcome& outcome) {
        const Block& block = graph_.blocks[bucket.block];
        const Family family = program_.code[block.last].spec().family;
        if (outcome.enters) return enter_call(key, bucket, task, outcome.next);
        if (family == Family::Exit) {
            if (outcome.repeats || outcome.stops) return leave_callback(key, bucket, task, outcome);
            if (outcome.goes_on) leave_call(key, bucket, task, outcome.next);
            return;
        }
        const std::uint32_t decision = task.decision;
        if (outcome.jumps) {
            Task other;
            other.state = std::move(taken);
            other.decision = decide(decision, block.last, true);
            const std::uint32_t target = graph_.block_of_slot[outcome.target];
            insert(edge_key(key, bucket.block, target), target, bucket.calls, std::move(other));
        }
        if (!outcome.goes_on || out_.result != Result::Proven) return;
        if (family == Family::Branch) task.decision = decide(decision, block.last, false);
        const std::uint32_t next = graph_.block_of_slot[outcome.next];
        insert(edge_key(key, bucket.block, next), next, bucket.calls, std::move(task));
    }

    void enter_call(const Key& key, const Bucket& bucket, Task& task, std::uint32_t slot) {
        // What the caller will not read after the call need not be kept during it.
        const RegisterSet live = live_[graph_.blocks[bucket.block].successors[0]];
        check::Frame& caller = task.state.frames[task.state.depth() - 1];
        for (std::uint32_t i = 0; i < check::kSavedRegisters; ++i) {
            if ((live >> (check::kFirstSaved + i) & 1U) == 0) caller.saved[i] = check::Value{};
        }
        const std::uint32_t entry = graph_.block_of_slot[slot];
        std::vector<std::uint32_t> calls = bucket.calls;
        calls.push_back(bucket.block);
        insert(block_key(key, entry), entry, calls, std::move(task));
    }

    void leave_call(const Key& key, const Bucket& bucket, Task& task, std::uint32_t slot) {
        const std::uint32_t call = bucket.calls.back();
        const std::vector<std::uint32_t> calls(bucket.calls.begin(), bucket.calls.end() - 1);
        const Key caller(key.begin(), key.end() - static_cast<std::ptrdiff_t>(segment_size(bucket.block)));
        const std::uint32_t next = graph_.block_of_slot[slot];
        insert(edge_key(caller, call, next), next, calls, std::move(task));
    }

    // Helpers that call back.

    /// The helper that is called at `slot`; kNone if none is, or if it is not known yet which.
    [[nodiscard]] std::uint32_t helper_at(std::uint32_t slot) const {
        const isa::Instruction& instruction = program_.code[slot];
        const Family family = instruction.spec().family;
        if (family == Family::CallHelper) return static_cast<std::uint32_t>(instruction.imm);
        if (family != Family::CallRegister) return kNone;
        const auto place = std::ranges::lower_bound(out_.calls, slot, {}, &CallTarget::slot);
        const bool is_helper = place != out_.calls.end() && place->slot == slot && place->callee.is_helper;
        return is_helper ? place->callee.number : kNone;
    }

    [[nodiscard]] bool calls_back(std::uint32_t slot) const {
        return check::callback_kind(helper_at(slot)) != spec::CallbackKind::None;
    }

    /// The helper's call, which ends the block, has been checked.
    void start_iterations(const Key& key, const Bucket& bucket, Task& task, std::uint32_t slot) {
        State& state = task.state;
        const check::Value& subject = state.registers[1];
        const std::uint32_t function = state.registers[2].map;
        const bool can_count = check::iteration_bounds(program_, state).most <= kMostCounted;
        const bool is_counted = can_count && options_.counts_callbacks;
        // Counting might find a proof that is not found without.
        if (can_count && !is_counted) out_.has_joined = true;
        note_callback(slot, function);
        check::start_iterations(state);
        Key head = key;
        head.push_back(function);
        head.push_back(subject.kind == Kind::Map ? subject.map : 0);
        head.push_back(is_counted ? kOneByOne : kUntilStable);
        head.push_back(0);
        insert(std::move(head), bucket.block, bucket.calls, std::move(task), true);
    }

    void visit_iteration(const Key& key, Bucket& bucket) {
        const bool is_counted = key[key.size() - 2] == kOneByOne;
        CallbackWatch& watch = watch_of(Key(key.begin(), key.end() - 1));
        for (Task& task : bucket.tasks) {
            held_bytes_ -= task.state.memory_bytes();
            if (is_counted || is_news(watch, key.back(), bucket, task)) run_iteration(key, bucket, task);
            if (out_.result != Result::Proven) return;
        }
    }

    /// Points are visited in order, so that the calls of helpers under way are nested in each other: those
    /// whose key does not begin this one are over.
    CallbackWatch& watch_of(Key activation) {
        const auto is_over = [&](const CallbackWatch& watch) {
            return watch.activation.size() > activation.size() ||
                   !std::equal(watch.activation.begin(), watch.activation.end(), activation.begin());
        };
        while (!callbacks_.empty() && is_over(callbacks_.back())) {
            for (const State& state : callbacks_.back().starts) held_bytes_ -= state.memory_bytes();
            callbacks_.pop_back();
        }
        if (callbacks_.empty() || callbacks_.back().activation != activation) {
            callbacks_.push_back({std::move(activation), {}, kNone});
        }
        return callbacks_.back();
    }

    /// False if a state of an earlier iteration covers that of `task`, or when there is no time left to find
    /// out. Otherwise the state, widened if iterations have gone on for long, joins those that were followed.
    bool is_news(CallbackWatch& watch, std::uint32_t iteration, const Bucket& bucket, Task& task) {
        const std::uint32_t slot = graph_.blocks[bucket.block].last;
        for (const State& start : watch.starts) {
            if (!has_time(state_steps(task.state), slot)) return false;
            if (check::entails(task.state, start)) return false;
        }
        const std::size_t older =
            iteration < kFirstWidened ? kNone : nearest_start(watch, iteration, task.state);
        if (older != kNone) {
            State wide;
            if (check::widen(watch.starts[older], task.state, wide) != Status::Ok || !wide.normalise()) {
                stop(Result::OutOfMemory, slot);
                return false;
            }
            out_.has_joined = true;
            task.state = std::move(wide);
            watch.last_widened = watch.starts.size();
        }
        State copy;
        if (!copy.copy_from(task.state)) {
            stop(Result::OutOfMemory, slot);
            return false;
        }
        hold(copy.memory_bytes());
        watch.starts.push_back(std::move(copy));
        return out_.result == Result::Proven;
    }

    /// Widening the same state again and again ends; until then the nearest one loses least. kNone: all hold
    /// other references.
    static std::size_t nearest_start(const CallbackWatch& watch, std::uint32_t iteration,
                                     const State& state) {
        if (iteration >= kFirstOfOneChain && watch.last_widened != kNone &&
            check::are_joinable(watch.starts[watch.last_widened], state))
            return watch.last_widened;
        std::size_t nearest = kNone;
        std::uint32_t least = 0xffffffff;
        for (std::size_t i = 0; i < watch.starts.size(); ++i) {
            if (!check::are_joinable(watch.starts[i], state)) continue;
            const std::uint32_t distance = check::distance(state, watch.starts[i]);
            if (distance >= least) continue;
            least = distance;
            nearest = i;
        }
        return nearest;
    }

    /// From the start of an iteration the helper may return, and may call once more.
    void run_iteration(const Key& key, const Bucket& bucket, Task& task) {
        const std::uint32_t slot = graph_.blocks[bucket.block].last;
        const Key caller(key.begin(), key.end() - static_cast<std::ptrdiff_t>(kIterationSegment));
        const std::uint32_t iteration = key.back();
        const bool is_counted = key[key.size() - 2] == kOneByOne;
        const check::IterationBounds bounds = check::iteration_bounds(program_, task.state);
        const std::uint32_t function = task.state.registers[2].map;
        // Before the first call the helper may also fail.
        if (!is_counted || iteration == 0 || iteration >= bounds.least) {
            Task done;
            if (!done.state.copy_from(task.state)) return stop(Result::OutOfMemory, slot);
            done.decision = task.decision;
            finish_iterations(caller, bucket.block, bucket.calls, std::move(done));
        }
        if (iteration >= bounds.most || out_.result != Result::Proven) return;
        const check::Index index{iteration, is_counted ? iteration : bounds.most - 1};
        if (check::enter_callback(program_, task.state, slot, index) != Status::Ok)
            return stop(Result::OutOfMemory, slot);
        task.decision = decide(task.decision, slot, true, function);
        const std::uint32_t entry = graph_.block_of_slot[function];
        std::vector<std::uint32_t> calls = bucket.calls;
        calls.push_back(bucket.block);
        insert(block_key(key, entry), entry, calls, std::move(task));
    }

    void finish_iterations(const Key& caller, std::uint32_t block, const std::vector<std::uint32_t>& calls,
                           Task task) {
        task.decision = decide(task.decision, graph_.blocks[block].last, false);
        check::finish_iterations(program_, task.state);
        const std::uint32_t next = graph_.blocks[block].successors[0];
        insert(edge_key(caller, block, next), next, calls, std::move(task));
    }

    void leave_callback(const Key& key, const Bucket& bucket, Task& task, const check::Outcome& outcome) {
        const std::uint32_t block = bucket.calls.back();
        const std::vector<std::uint32_t> calls(bucket.calls.begin(), bucket.calls.end() - 1);
        Key head(key.begin(), key.end() - static_cast<std::ptrdiff_t>(segment_size(bucket.block)));
        if (outcome.stops) {
            Task done;
            if (!done.state.copy_from(task.state)) return stop(Result::OutOfMemory, outcome.next);
            done.decision = task.decision;
            const Key caller(head.begin(), head.end() - static_cast<std::ptrdiff_t>(kIterationSegment));
            finish_iterations(caller, block, calls, std::move(done));
        }
        if (!outcome.repeats || out_.result != Result::Proven) return;
        ++head.back();
        insert(std::move(head), block, calls, std::move(task), true);
    }

    void note_callback(std::uint32_t slot, std::uint32_t function) {
        const CallEdge edge{function_at(graph_, slot), function_at(graph_, function), slot};
        const auto place = std::ranges::lower_bound(callback_edges_, edge);
        if (place == callback_edges_.end() || *place != edge) callback_edges_.insert(place, edge);
    }

    std::uint32_t decide(std::uint32_t before, std::uint32_t slot, bool is_taken,
                         std::uint32_t function = kNone) {
        out_.decisions.push_back({before, slot, is_taken, function});
        return static_cast<std::uint32_t>(out_.decisions.size() - 1);
    }

    bool count_instruction(std::uint32_t slot) {
        ++out_.instructions;
        if (out_.instructions > options_.max_instructions) {
            stop(Result::OutOfInstructions, slot);
            return false;
        }
        return has_time(1, slot);
    }

    static std::uint64_t state_steps(const State& state) {
        return 1 + state.memory_bytes() / kStateBytesPerStep;
    }

    /// Counts `steps` of work; false, and the exploration stops, once the time is over.
    bool has_time(std::uint64_t steps, std::uint32_t slot) {
        steps_ += steps;
        if (steps_ < kTimeCheckInterval) return true;
        steps_ = 0;
        if (!options_.is_out_of_time || !options_.is_out_of_time()) return true;
        stop(Result::OutOfTime, slot);
        return false;
    }

    // Facts about slots and functions.

    bool note_access(const State& state, std::uint32_t slot, check::Finding& finding) {
        const isa::Instruction& instruction = program_.code[slot];
        const Family family = instruction.spec().family;
        if (family == Family::CallHelper || family == Family::CallRegister) {
            for (std::size_t reg = 1; reg <= 5; ++reg) note_stack(state, state.registers[reg], 0);
            return true;
        }
        if (!is_memory(family)) return true;
        const std::uint8_t reg = check::address_register(instruction);
        const check::Value& pointer = state.registers[reg];
        note_stack(state, pointer, instruction.offset);
        Kind& seen = out_.accesses[slot];
        const Kind kind = pointer.kind == Kind::PacketMeta ? Kind::Packet : pointer.kind;
        if (seen == Kind::Unusable || seen == kind) {
            seen = kind;
            return true;
        }
        if (seen == Kind::Context || kind == Kind::Context)
            return finding.fail(spec::Rule::MixedAccess, reg, pointer);
        seen = Kind::Scalar;
        return true;
    }

    /// Engines call what a register holds without looking: it must be one and the same on every path.
    bool note_call(const State& state, std::uint32_t slot, check::Finding& finding) {
        if (program_.code[slot].spec().family != Family::CallRegister) return true;
        const std::optional<check::Callee> callee = check::callee_of(program_, state, slot);
        const auto place = std::ranges::lower_bound(out_.calls, slot, {}, &CallTarget::slot);
        if (place == out_.calls.end() || place->slot != slot) {
            out_.calls.insert(place, {slot, *callee});
            return true;
        }
        if (place->callee == *callee) return true;
        const std::uint8_t reg = program_.code[slot].dst;
        return finding.fail(spec::Rule::CallTarget, reg, state.registers[reg],
                            "and something else on another path");
    }

    void note_stack(const State& state, const check::Value& pointer, std::int64_t offset) {
        if (pointer.kind != Kind::Stack || pointer.frame >= state.frames.size()) return;
        const check::OffsetSpan span = check::offset_span(pointer);
        if (!span.is_bounded) return;
        const std::int64_t deepest = -(span.low + offset);
        if (deepest <= 0 || deepest > std::int64_t{spec::kStackBytes}) return;
        const std::uint32_t function =
            graph_.blocks[graph_.block_of_slot[state.frames[pointer.frame].function_slot]].function;
        out_.stack_bytes[function] =
            std::max(out_.stack_bytes[function], static_cast<std::uint32_t>(deepest));
    }

    /// All calls, those through registers and by helpers included.
    [[nodiscard]] std::vector<CallEdge> all_calls() const {
        std::vector<CallEdge> edges = local_calls(program_.code, graph_);
        edges.insert(edges.end(), callback_edges_.begin(), callback_edges_.end());
        for (const CallTarget& call : out_.calls) {
            if (call.callee.is_helper) continue;
            edges.push_back(
                {function_at(graph_, call.slot), function_at(graph_, call.callee.number), call.slot});
        }
        return edges;
    }

    /// What chains of calls need as a whole: no recursion, not too many frames, not too much stack. Paths
    /// were followed before it was known where calls through registers lead; engines see the whole graph.
    void check_call_chains() {
        const std::vector<CallEdge> edges = all_calls();
        const auto order = order_calls(graph_, edges);
        if (!order) {
            check::Finding finding;
            finding.fail(order.error().rule, check::kNoRegister, check::Value{});
            finding.number = order.error().other;
            return refuse(finding, order.error().slot, kNone);
        }
        std::vector<std::vector<CallEdge>> calls(graph_.functions.size());
        for (const CallEdge& edge : edges) calls[edge.caller].push_back(edge);
        std::vector<std::uint32_t> depth(graph_.functions.size(), 0);
        for (const std::uint32_t index : *order) {
            const std::uint32_t own = (std::max(out_.stack_bytes[index], 1U) + kStackAlignment - 1) /
                                      kStackAlignment * kStackAlignment;
            depth[index] = own;
            for (const CallEdge& edge : calls[index]) {
                depth[index] = std::max(depth[index], own + depth[edge.callee]);
                if (depth[index] <= spec::kStackBytes) continue;
                check::Finding finding;
                finding.fail(spec::Rule::StackDepth, check::kNoRegister, check::Value{});
                finding.size = depth[index];
                finding.number = graph_.functions[edge.callee].first_slot;
                return refuse(finding, edge.slot, kNone);
            }
        }
        out_.chain_stack_bytes = depth[0];
    }

    const check::Program& program_;
    const Graph& graph_;
    const Options& options_;
    std::vector<RegisterSet> live_;
    std::map<Key, Bucket> waiting_;
    std::vector<LoopWatch> watches_;
    std::vector<CallbackWatch> callbacks_;  ///< of the calls of helpers under way, outermost first
    std::vector<CallEdge> callback_edges_;  ///< ordered
    std::uint64_t held_bytes_ = 0;
    std::uint64_t steps_ = 0;  ///< since the clock was looked at
    Exploration out_;
};

}  // namespace

Exploration explore(const check::Program& program, const Graph& graph, const Options& options) {
    return Explorer(program, graph, options).run();
}

}  // namespace ebpf::analysis
