// SPDX-License-Identifier: MIT
#include "service/native_image.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/try.hpp"
#include "native/identity.hpp"
#include "native/load.hpp"
#include "service/load.hpp"

namespace ebpf::service {
namespace {

Result<void> check_caller(const Call& call) {
    EBPF_TRY_VOID(check_owner(call, "load native images into"));
    if (call.service.code_policy().is_code_integrity_enforced)
        return fail(Status::NoPermission,
                    "code integrity is enforced in this context, and the image is not signed");
    return {};
}

Result<OwnedImage> take_image(const native::Verified& verified, std::span<const std::byte> bytes,
                              const engine::Bindings& bindings) {
    EBPF_TRY(const auto identity, native::identify(verified.request, verified.report));
    EBPF_TRY(const auto library, native::ImageLibrary::load(bytes));
    EBPF_TRY(const auto* program, library->find(verified.request.program_name, identity.hash));
    const auto image = native::bind(library, *program, bindings);
    if (!image) return std::unexpected(native::to_error(image.error()));
    return OwnedImage(*image);
}

}  // namespace

Result<NativeProgram> load_native(Call& call, const verifier::Request& request,
                                  std::span<const std::byte> image, const engine::Bindings& bindings) {
    const auto checked = check_caller(call);
    if (!checked) return std::unexpected(Error(checked.error()).in("engine native"));
    if (image.empty())
        return fail(Status::InvalidArgument, "engine native: an image is needed, as bpf2c makes them");
    EBPF_TRY(auto verified, native::verify_for_image(request, [&](const verifier::Request& asked) {
                 return verify_checked(call.service.verifier(), asked);
             }));
    NativeProgram loaded;
    if (verified.report.verdict == verifier::Verdict::Accept) {
        auto taken = take_image(verified, image, bindings);
        if (!taken) return std::unexpected(std::move(taken).error().in("native image"));
        loaded.image = *std::move(taken);
    }
    loaded.report = std::move(verified.report);
    return loaded;
}

}  // namespace ebpf::service
