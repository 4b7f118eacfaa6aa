// SPDX-License-Identifier: MIT
// The two renderers of results.
#pragma once

#include <string>
#include <vector>

#include "results.hpp"

namespace ebpf::ctl {

/// Returns `output` as bpftool prints it, ending in a line feed unless empty.
std::string render_text(const Output& output);

/// Returns `output` in bpftool's JSON shape and names, ending in a line feed; over several lines if
/// `is_pretty`. Records come one after the other, not as a list.
std::string render_json(const Output& output, bool is_pretty);
/// Returns {"error": message}.
std::string render_json_error(const std::string& message, bool is_pretty);

/// "2026-11-21T09:43:52+0000", as bpftool prints times, in the local time zone.
std::string time_text(std::uint64_t seconds);

/// "hash", or "unknown" for a number outside the table.
std::string map_type_name(std::uint32_t type);
/// "all", or "chain".
const char* combine_name(std::uint32_t combine);
/// Names of the results after which the next program runs: "XDP_PASS" for XDP, otherwise numbers.
std::vector<std::string> action_names(const protocol::LinkDetails& link);
/// What ended_count of a link counts: "ended_cnt", or "denied_cnt" where all programs run.
const char* ended_name(const protocol::LinkDetails& link);
/// "jit".
std::string engine_name(std::uint32_t engine);
/// Whether a link is at a process tree: its `ifindex` is the tree's number then.
bool is_of_tree(const protocol::LinkDetails& link);
/// Whether its hook belongs to an extension: its `ifindex` is the number of the place at the hook then.
bool is_of_extension(const protocol::LinkDetails& link);
/// "1d977fcfefcf3791".
std::string tag_text(const client::Bytes& tag);

}  // namespace ebpf::ctl
