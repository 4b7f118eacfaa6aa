// SPDX-License-Identifier: MIT
#include "service/move_up.hpp"

#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "service/compile.hpp"

namespace ebpf::service {
namespace {

/// More would keep the memory of programs that may have been unloaded meanwhile.
constexpr std::size_t kMostWaiting = 16;

void move_up(Service& service, const Climber& climber) {
    auto compiled = translate({.code = climber.code,
                               .accesses = climber.accesses,
                               .bindings = {climber.maps, climber.helpers},
                               .engine = spec::Engine::Jit,
                               .policy = service.code_policy()});
    if (!compiled) return;
    // First the note, so that machine code is never shown without it.
    service.notes().set_machine(climber.program->id(), std::move(compiled->note));
    static_cast<void>(climber.program->move_up(compiled->image.release()));
}

}  // namespace

bool has_way_up(Service& service) {
    try {
        return service.background().waiting() < kMostWaiting;
    } catch (const std::system_error&) {
        return false;  // the host gives no thread
    }
}

void move_up_later(Service& service, Climber climber) {
    service.background().add([&service, shared = std::make_shared<const Climber>(std::move(climber))] {
        try {
            move_up(service, *shared);
        } catch (const std::bad_alloc&) {
            return;  // it goes on as it is
        }
    });
}

}  // namespace ebpf::service
