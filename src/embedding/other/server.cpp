// SPDX-License-Identifier: MIT
#include "embedding/server.hpp"

namespace ebpf::embedding {

Result<std::unique_ptr<Server>> serve(service::Service&, const std::string& path) {
    return fail(Status::NotSupported, "serving a context at '" + path + "': only on Linux");
}

}  // namespace ebpf::embedding
