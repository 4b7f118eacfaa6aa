// SPDX-License-Identifier: MIT
// What the verifier process says by its exit code; anything else is a crash.
#pragma once

namespace ebpf::service {

enum class VerifierExit : int {
    Done = 0,         ///< the report is written; it may accept or refuse
    NoJail = 10,      ///< the host did not let it give up its rights
    BadRequest = 11,  ///< the request could not be read or decoded
    NoReport = 12,    ///< the report could not be written
    OutOfMemory = 13,
};

}  // namespace ebpf::service
