// SPDX-License-Identifier: MIT
// A small DNS-like server that lets its users decide about queries with BPF programs. It answers every
// question for an IPv4 address on loopback with 192.0.2.1, unless a program says otherwise.
//
// What a service does for that: describe a structure and its helpers (dns_type), define the hook (main), run
// it for each query (serve). Loading, replacing, measuring and removing programs is in Commands.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>

#include "dns_hook.h"
#include "ebpf/embed.hpp"

namespace {

namespace embed = ebpf::embed;

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kMostBytes = 512;

// ---- The hook: this is all that programs are verified against. ----

/// The helper dns_name() of dns_hook.h. The verifier has seen to it that `name` has `size` bytes to write,
/// and that `query` is what serve() passed to the program.
std::uint64_t dns_name(std::uint64_t query, std::uint64_t name, std::uint64_t size, std::uint64_t,
                       std::uint64_t, ebpf_invocation*) {
    const auto* asked = reinterpret_cast<const dns_query*>(query);
    auto* text = reinterpret_cast<char*>(name);
    std::uint64_t length = 0;
    std::memset(text, 0, size);
    for (const unsigned char* at = asked->data + kHeaderBytes; at < asked->data_end && *at != 0;
         at += *at + 1) {
        if (*at > asked->data_end - at - 1) break;
        for (unsigned i = 0; i <= *at; ++i) {
            if (length == 0 && i == 0) continue;  // a dot between labels, none in front
            if (length + 1 < size) text[length++] = i == 0 ? '.' : static_cast<char>(std::tolower(at[i]));
        }
    }
    return length;
}

embed::ProgramType<dns_query> dns_type() {
    embed::ProgramType<dns_query> type(
        "dns", "dns_query",
        {
            EBPF_DATA(dns_query, data),
            EBPF_DATA_END(dns_query, data_end),
            EBPF_NUMBER(dns_query, source),
            EBPF_NUMBER(dns_query, source_port),
            EBPF_NUMBER(dns_query, type),
            EBPF_WRITABLE_NUMBER(dns_query, answer),
        },
        {{"dns_name",
          DNS_HELPER_NAME,
          0,
          dns_name,
          {EBPF_ARGUMENT_CONTEXT, EBPF_ARGUMENT_WRITE_MEMORY, EBPF_ARGUMENT_SIZE_NON_ZERO}}});
    return type.returns(DNS_ANSWER, DNS_DROP);
}

// ---- DNS, as much as is needed. ----

struct Packet {
    std::array<unsigned char, kMostBytes> bytes{};
    std::size_t size = 0;
};

/// Where the first question ends, if the packet has one.
std::optional<std::size_t> end_of_question(const Packet& packet) {
    std::size_t at = kHeaderBytes;
    while (at < packet.size && packet.bytes[at] != 0) at += packet.bytes[at] + 1U;
    at += 5;  // the empty label, type and class
    if (at > packet.size) return std::nullopt;
    return at;
}

/// Makes the reply out of the query: an address, or only a code.
void reply_to(Packet& packet, std::size_t question_end, unsigned code, unsigned address) {
    constexpr unsigned char kIsResponse = 0x80;
    auto& bytes = packet.bytes;
    bytes[2] |= kIsResponse;
    bytes[3] = static_cast<unsigned char>(code);
    std::memset(&bytes[6], 0, 6);
    packet.size = question_end;
    if (code != 0 || question_end + 16 > kMostBytes) return;
    bytes[7] = 1;  // one answer: a pointer to the name asked for, type A, class IN, 60 s, 4 bytes
    const unsigned char record[12] = {0xc0, kHeaderBytes, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
    std::memcpy(&bytes[question_end], record, sizeof(record));
    std::memcpy(&bytes[question_end + sizeof(record)], &address, sizeof(address));
    packet.size = question_end + sizeof(record) + sizeof(address);
}

/// Takes one query from the socket and answers it as the hook's program wants.
void serve(int socket, embed::Hook<dns_query>& hook, const embed::Thread& thread) {
    Packet packet;
    sockaddr_in from{};
    socklen_t from_bytes = sizeof(from);
    const ssize_t got = recvfrom(socket, packet.bytes.data(), packet.bytes.size(), 0,
                                 reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (got < static_cast<ssize_t>(kHeaderBytes)) return;
    packet.size = static_cast<std::size_t>(got);
    const auto question_end = end_of_question(packet);
    if (!question_end) return;

    dns_query query{};
    query.data = packet.bytes.data();
    query.data_end = query.data + packet.size;
    query.source = from.sin_addr.s_addr;
    query.source_port = ntohs(from.sin_port);
    query.type =
        static_cast<unsigned short>(packet.bytes[*question_end - 4] << 8 | packet.bytes[*question_end - 3]);
    query.answer = inet_addr("192.0.2.1");
    const std::uint64_t verdict = hook.run(thread, query);

    constexpr unsigned kRefused = 5;
    if (verdict == DNS_DROP) return;
    reply_to(packet, *question_end, verdict == DNS_REFUSE ? kRefused : 0, query.answer);
    sendto(socket, packet.bytes.data(), packet.size, 0, reinterpret_cast<const sockaddr*>(&from), from_bytes);
}

// ---- What the operator types. ----

struct Name {
    std::array<char, DNS_NAME_BYTES> text{};
};

class Commands {
  public:
    Commands(embed::Context& context, embed::Hook<dns_query>& hook) : context_(context), hook_(hook) {}

    /// False: the server ends.
    bool carry_out(const std::string& line) {
        std::istringstream words(line);
        std::string command;
        std::string first;
        std::string second;
        words >> command >> first >> second;
        try {
            if (command == "quit") return false;
            run(command, first, second);
        } catch (const embed::Error& error) {
            std::cout << "error " << error.code() << ": " << error.what() << std::endl;
        }
        return true;
    }

  private:
    void run(const std::string& command, const std::string& first, const std::string& second) {
        if (command == "load") {  // load FILE PROGRAM: attaches it, in the place of the one before
            embed::Object object = context_.open(first);
            hook_.attach(object, second.empty() ? nullptr : second.c_str());
            object_.emplace(std::move(object));
        } else if (command == "use") {  // use PROGRAM: another one of the file
            if (object_) hook_.attach(*object_, first.c_str());
        } else if (command == "rule") {  // rule NAME drop|ADDRESS
            Name name;
            first.copy(name.text.data(), name.text.size() - 1);
            if (object_)
                object_->map<Name, in_addr_t>("rules").update(
                    name, second == "drop" ? 0 : inet_addr(second.c_str()));
        } else if (command == "counts") {
            if (object_)
                object_->map<Name, std::uint64_t>("counts").for_each(
                    [](const Name& name, std::uint64_t count) {
                        std::cout << name.text.data() << " " << count << "\n";
                    });
        } else if (command == "times") {  // measures run times from now on
            context_.measure_times(true);
        } else if (command == "statistics") {
            const auto statistics = hook_.statistics();
            std::cout << "runs " << statistics.run_count << " ns " << statistics.run_time_ns << "\n";
        } else if (command == "detach") {
            hook_.detach();
        } else if (command == "serve") {  // serve PATH: for ebpfctl --context unix:PATH
            context_.serve(first);
        } else {
            std::cout << "error: load FILE [PROGRAM], use PROGRAM, rule NAME drop|ADDRESS, counts, times, "
                         "statistics, "
                         "detach, serve PATH, quit\n";
        }
        std::cout << "ok" << std::endl;
    }

    embed::Context& context_;
    embed::Hook<dns_query>& hook_;
    std::optional<embed::Object> object_;
};

int run(int socket) {
    embed::Context context;
    auto hook = context.define_hook(dns_type(), DNS_ANSWER);
    const embed::Thread thread(context.get());
    Commands commands(context, hook);
    std::array<pollfd, 2> watched{{{socket, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    while (poll(watched.data(), watched.size(), -1) >= 0) {
        if ((watched[0].revents & POLLIN) != 0) serve(socket, hook, thread);
        if (watched[1].revents == 0) continue;
        std::string line;
        if (!std::getline(std::cin, line) || !commands.carry_out(line)) return 0;
    }
    return 1;
}

}  // namespace

int main() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&address), bytes) != 0 ||
        getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
        std::perror("dns_server: loopback");
        return 1;
    }
    std::cout << "port " << ntohs(address.sin_port) << std::endl;
    try {
        const int code = run(socket);
        close(socket);
        return code;
    } catch (const embed::Error& error) {
        std::cerr << "dns_server: " << error.what() << "\n";
        return 1;
    }
}
