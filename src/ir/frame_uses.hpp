// SPDX-License-Identifier: MIT
// Who reads and writes which bytes of a function's frame.
#pragma once

#include <vector>

#include "engine/engine.hpp"
#include "ir/graph.hpp"
#include "ir/ir.hpp"

namespace ebpf::ir {

/// Bytes [begin, end) from the end of the frame, so both are not positive.
struct FrameRange {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    bool is_read = false;
    bool is_written = false;
};

/// A load, store or atomic at a fixed place in the frame.
struct FrameAccess {
    NodeId node = kNone;
    FrameRange range;
};

struct FrameUses {
    std::vector<FrameAccess> accesses;
    std::vector<FrameRange> ranges;  ///< what calls, or accesses with an index in known bounds, touch
    bool is_wild = false;            ///< other accesses may touch anything
};

/// Returns the values that may be addresses in the function's frame.
std::vector<bool> find_frame_addresses(const Function& function);

/// Cost: linear, and a little for each access with an index.
FrameUses find_frame_uses(const Function& function, const Graph& graph, const engine::Bindings& bindings);

}  // namespace ebpf::ir
