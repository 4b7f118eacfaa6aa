// SPDX-License-Identifier: MIT
#include "hooks/socket/linux/ledger.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/try.hpp"

namespace ebpf::hooks::socket {
namespace {

// Without them another process could take away the memory that we write to.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

std::unexpected<Error> refused(const char* what) {
    return fail(Status::Environment, std::string("ledger of calls: ") + what + ": " + std::strerror(errno));
}

}  // namespace

Result<Ledger> Ledger::create() {
    platform::Descriptor memory(memfd_create("ebpf-calls", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory.is_open()) return refused("memfd_create");
    if (ftruncate(memory.number(), sizeof(LedgerPage)) != 0) return refused("ftruncate");
    if (fcntl(memory.number(), F_ADD_SEALS, kSeals) != 0) return refused("sealing");
    return map(std::move(memory));
}

Result<Ledger> Ledger::open(int descriptor) {
    struct stat about{};
    const int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || (seals & kSeals) != kSeals || fstat(descriptor, &about) != 0 ||
        about.st_size != sizeof(LedgerPage)) {
        return fail(Status::InvalidArgument, "the ledger of calls is no sealed memory of its size");
    }
    platform::Descriptor own(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!own.is_open()) return refused("dup");
    return map(std::move(own));
}

Result<Ledger> Ledger::map(platform::Descriptor memory) {
    void* page = mmap(nullptr, sizeof(LedgerPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                      memory.number(), 0);
    if (page == MAP_FAILED) return refused("mmap");
    return Ledger(std::move(memory), static_cast<LedgerPage*>(page));
}

Ledger::Ledger(Ledger&& other) noexcept
    : memory_(std::move(other.memory_)), page_(std::exchange(other.page_, nullptr)) {}

Ledger::~Ledger() {
    if (page_ != nullptr) munmap(page_, sizeof(LedgerPage));
}

}  // namespace ebpf::hooks::socket
