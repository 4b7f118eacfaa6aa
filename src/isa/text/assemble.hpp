// SPDX-License-Identifier: MIT
// Text to bytes, in two dialects that may be mixed line by line.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace ebpf::isa {

/// Assembles `text`, an instruction per line: either what disassemble() prints (the kernel's form; LLVM's
/// variants, such as "w1 = *(u8 *)(r2 + 0)", too) or the mnemonics of the bpf_conformance vectors ("stxw
/// [%r10-4], %r1"). "name:" defines a label, alone or before an instruction; jumps and local calls take a
/// label or a signed distance in slots. "exit" names the first exit instruction unless it is defined.
/// Comments: '#', ';', "//". Hexadecimal 32-bit numbers may be written unsigned (0xffffffff is -1). The
/// result may be what decode() refuses (a write to r10, a jump out of the program): tests need such programs.
/// Returns: the encoding; empty if there is no instruction.
/// Errors, with line, column, what was expected and what was found: Malformed; UnresolvedSymbol - no such
/// label;
///   AlreadyExists - label defined twice; FieldOutOfRange - label too far away for the jump's form.
/// Threads: any.
Result<std::vector<std::byte>> assemble(std::string_view text);

}  // namespace ebpf::isa
