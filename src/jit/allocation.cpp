// SPDX-License-Identifier: MIT
#include "jit/allocation.hpp"

#include "jit/intervals.hpp"
#include "jit/resolve.hpp"
#include "jit/scan.hpp"

namespace ebpf::jit {

struct Allocator::State {
    Intervals intervals;
    LinearScan scan;
    Resolver resolver;
};

Allocator::Allocator() : state_(std::make_unique<State>()) {}
Allocator::~Allocator() = default;

void Allocator::allocate(const ir::Function& function, const Selection& selection, const RegisterFile& file,
                         Allocation& result) {
    state_->intervals.build(function, selection);
    state_->scan.run(state_->intervals, function, selection, file);
    state_->resolver.run(state_->intervals, function, selection, file, result);
}

}  // namespace ebpf::jit
