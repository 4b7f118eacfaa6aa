// SPDX-License-Identifier: MIT
// The provider's C functions: checks the request, turns failures into errno and reason, lets no exception
// out.
#include "hooks/xdp/provider.hpp"

#include <linux/bpf.h>

#include <cerrno>
#include <new>

#include "hooks/provider/refusal.hpp"
#include "hooks/xdp/linux/attachment.hpp"
#include "spec/programs.hpp"

namespace ebpf::hooks::xdp {
namespace {

constexpr std::uint32_t kAttachTypeXdp = 37;  // BPF_XDP
constexpr std::uint32_t kMaxPrograms = 10;    // as libxdp's dispatcher

int attach(void*, const ebpf_attach_request* request, const ebpf_hook_dispatch* dispatch, void* point,
           void** attachment, char* reason, std::size_t reason_bytes) {
    const Refusal fail(reason, reason_bytes);
    if (const int error = check_versions(*request, *dispatch, fail); error != 0) return error;
    if (request->attach_type != 0 && request->attach_type != kAttachTypeXdp) {
        return fail(EINVAL, "the xdp hook takes attach type 37 (BPF_XDP)");
    }
    if (request->ifindex == 0) return fail(EINVAL, "no network interface given");
    if (request->flags != 0) return fail(EINVAL, "the xdp hook takes no attach flags");
    try {
        auto started = Attachment::start(request->ifindex, *dispatch, point);
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
           .combine = EBPF_COMBINE_CHAIN,
           .max_programs = kMaxPrograms,
           .actions = 1U << XDP_PASS,
           .provider = this,
           .attach = attach,
           .detach = detach,
           .counters = counters} {}

}  // namespace ebpf::hooks::xdp
