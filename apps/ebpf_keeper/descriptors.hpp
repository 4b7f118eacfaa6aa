// SPDX-License-Identifier: MIT
// The descriptors that a keeper is started with.
#pragma once

namespace ebpf::keeper {

inline constexpr int kListener = 3;  ///< of the tree's filter
inline constexpr int kRequest = 4;   ///< a file: the framed request that offers the tree
inline constexpr int kAnswer = 5;    ///< a socket: where the first answer goes, framed
inline constexpr int kFirstUnused = 6;

}  // namespace ebpf::keeper
