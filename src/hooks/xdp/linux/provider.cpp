// SPDX-License-Identifier: MIT
// The provider's C functions: checks the request, turns failures into errno and reason, lets no exception
// out.
#include "hooks/xdp/provider.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "hooks/xdp/linux/attachment.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::xdp {
namespace {

constexpr std::uint32_t kAttachTypeXdp = 37;  // BPF_XDP

int refuse(int error, std::string_view text, char* reason, std::size_t reason_bytes) {
    if (reason != nullptr && reason_bytes > 0) {
        const std::size_t length = std::min(text.size(), reason_bytes - 1);
        std::memcpy(reason, text.data(), length);
        reason[length] = '\0';
    }
    return -error;
}

int attach(void*, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch, void* link,
           void** attachment, char* reason, std::size_t reason_bytes) {
    const auto fail = [&](int error, std::string_view text) {
        return refuse(error, text, reason, reason_bytes);
    };
    if (request->version != EBPF_HOOK_ABI_VERSION || request->size < sizeof(*request) ||
        dispatch->version != EBPF_HOOK_ABI_VERSION || dispatch->size < sizeof(*dispatch)) {
        return fail(EPROTO, "the hook and the runtime speak different versions of the hook interface");
    }
    if (request->attach_type != 0 && request->attach_type != kAttachTypeXdp) {
        return fail(EINVAL, "the xdp hook takes attach type 37 (BPF_XDP)");
    }
    if (request->ifindex == 0) return fail(EINVAL, "no network interface given");
    if (request->flags != 0) return fail(EINVAL, "the xdp hook takes no attach flags");
    try {
        auto started = Attachment::start(request->ifindex, *dispatch, link);
        if (!started) return fail(started.error().error, started.error().message);
        *attachment = started->release();
        return 0;
    } catch (const std::bad_alloc&) {
        return fail(ENOMEM, "out of memory");
    }
}

void detach(void*, void* attachment) {
    delete static_cast<Attachment*>(attachment);
}

std::size_t counters(void*, void* attachment, ebpf_hook_counter* rows, std::size_t capacity) {
    return static_cast<Attachment*>(attachment)->read_counters({rows, capacity});
}

}  // namespace

XdpProvider::XdpProvider() noexcept
    : abi_{.version = EBPF_HOOK_ABI_VERSION,
           .size = sizeof(ebpf_hook_provider),
           .name = "xdp",
           .program_type = static_cast<std::uint32_t>(spec::ProgramType::Xdp),
           .attach_type = kAttachTypeXdp,
           .provider = this,
           .attach = attach,
           .detach = detach,
           .counters = counters} {}

}  // namespace ebpf::hooks::xdp
