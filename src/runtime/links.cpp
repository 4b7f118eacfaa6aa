// SPDX-License-Identifier: MIT
// Context: links and hook providers.
#include <cstring>

#include "helpers/text.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/state.hpp"

namespace ebpf::runtime {
namespace {

/// Writes what made create_link() fail before or in the provider.
class Reason {
  public:
    explicit Reason(std::span<char> buffer) noexcept
        : buffer_(buffer.empty() ? std::span<char>(spare_) : buffer) {
        buffer_[0] = '\0';
    }

    template <typename... Parts>
    void write(Parts... parts) noexcept {
        helpers::BoundedText text(buffer_);
        (append(text, parts), ...);
        text.terminate();
    }
    /// Makes sure that a provider has left text.
    void complete(const char* provider, int code) noexcept {
        buffer_.back() = '\0';
        if (buffer_[0] == '\0') write("hook '", provider, "' refused with errno ", code < 0 ? -code : code);
    }
    [[nodiscard]] std::span<char> buffer() const noexcept { return buffer_; }

  private:
    static void append(helpers::BoundedText& text, const char* part) noexcept { text.append(part); }
    static void append(helpers::BoundedText& text, std::uint32_t number) noexcept {
        text.append_number(number);
    }
    static void append(helpers::BoundedText& text, int number) noexcept {
        text.append_number(static_cast<std::uint64_t>(number));
    }

    char spare_[1] = {};
    std::span<char> buffer_;
};

/// Checks a request against the program. Errors: VersionMismatch, InvalidArgument.
Status check_request(const ProgramObject& program, const ebpf_attach_request& request,
                     Reason& reason) noexcept {
    if (request.version != EBPF_HOOK_ABI_VERSION || request.size != sizeof request) {
        reason.write("attach request of version ", request.version, " and ", request.size,
                     " bytes, expected ", EBPF_HOOK_ABI_VERSION, " and ",
                     static_cast<std::uint32_t>(sizeof request));
        return Status::VersionMismatch;
    }
    // 0 is what loaders pass that name no attach type; Linux takes it for any where the type has only one.
    if (program.attach_type() != 0 && program.attach_type() != request.attach_type) {
        reason.write("program '", program.name(), "' is for attach type ", program.attach_type(), ", not ",
                     request.attach_type);
        return Status::InvalidArgument;
    }
    return Status::Ok;
}

}  // namespace

StatusOr<Ref<LinkObject>> Context::create_link(const Ref<ProgramObject>& program,
                                               const ebpf_attach_request& request,
                                               std::span<char> reason_buffer) noexcept {
    state_->reap();
    Reason reason(reason_buffer);
    if (!program) return std::unexpected(Status::InvalidArgument);
    if (const Status status = check_request(*program, request, reason); status != Status::Ok) {
        return std::unexpected(status);
    }
    const auto type = static_cast<std::uint32_t>(program->type());
    Provider* provider = state_->enter_provider(type, request.attach_type);
    if (provider == nullptr) {
        reason.write("no hook provider for program type ", type, ", attach type ", request.attach_type);
        return std::unexpected(Status::NotSupported);
    }
    LinkObject* link = state_->add_link(*program, request, *provider);
    if (link == nullptr) {
        state_->leave_provider(*provider);
        reason.write("out of memory");
        return std::unexpected(Status::OutOfMemory);
    }

    const ebpf_hook_provider& table = *provider->table;
    const int code = table.attach(table.provider, &request, &Dispatch::table(program->type()), link,
                                  &link->attachment_, reason.buffer().data(), reason.buffer().size());
    if (code != 0) {
        reason.complete(table.name, code);
        state_->discard(*link);
        state_->leave_provider(*provider);
        return std::unexpected(status_of_errno(code));
    }
    link->phase_.store(LinkObject::Phase::Attached, std::memory_order_release);
    link->publish();
    return Ref<LinkObject>::adopt(link);
}

Status Context::update_link(LinkObject& link, const Ref<ProgramObject>& program) noexcept {
    if (!program) return Status::InvalidArgument;
    ProgramObject* old = nullptr;
    {
        const platform::LockScope guard(state_->lock);
        if (!link.is_attached()) return Status::NotAttached;
        old = link.program_.load(std::memory_order_relaxed);
        if (old->type() != program->type() || old->attach_type() != program->attach_type()) {
            return Status::InvalidArgument;
        }
        program->acquire_internal();
        link.program_.store(program.get(), std::memory_order_release);
    }
    // Invocations that have loaded the old one are inside an epoch: its memory outlives them.
    old->release_internal();
    return Status::Ok;
}

Status Context::detach(LinkObject& link) noexcept {
    return link.detach();
}

Status Context::register_provider(const ebpf_hook_provider* table) noexcept {
    if (const Status status = validate_provider(table); status != Status::Ok) return status;
    auto* provider = State::make<Provider>();
    if (provider == nullptr) return Status::OutOfMemory;
    provider->table = table;
    {
        const platform::LockScope guard(state_->lock);
        if (state_->find_provider(table->program_type, table->attach_type) == nullptr) {
            provider->next = state_->providers;
            state_->providers = provider;
            return Status::Ok;
        }
    }
    State::unmake(provider);
    return Status::AlreadyExists;
}

Status Context::unregister_provider(const ebpf_hook_provider* table) noexcept {
    Provider* provider = nullptr;
    {
        const platform::LockScope guard(state_->lock);
        provider = state_->providers;
        while (provider != nullptr && provider->table != table) provider = provider->next;
        if (provider == nullptr) return Status::NotFound;
        provider->is_closing = true;
    }
    state_->detach_all(provider);
    {
        const platform::LockScope guard(state_->lock);
        Provider** place = &state_->providers;
        while (*place != nullptr && *place != provider) place = &(*place)->next;
        if (*place == nullptr) return Status::NotFound;  // another thread was faster
        if (provider->links != 0) return Status::Busy;
        *place = provider->next;
    }
    State::unmake(provider);
    return Status::Ok;
}

}  // namespace ebpf::runtime
