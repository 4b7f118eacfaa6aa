// SPDX-License-Identifier: MIT
// Sends UDP packets at a paced rate inside a test network: for the demonstration and for measurements only.
// Refuses to run in the machine's own network namespace and on anything but a veth interface.
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tools/udp_frames.hpp"

namespace {

using ebpf::tools::UdpEndpoint;

constexpr const char* kNamespaceFolder = "/run/netns";
constexpr const char* kNamespaceStart = "ebpf-";
constexpr unsigned kBatch = 32;
constexpr unsigned kSourcePorts = 64;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMaximumLag = 20'000'000;  // ns; a sender held up longer skips, it does not burst

// A signal handler has no other way to say anything.
volatile sig_atomic_t stop_requested = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

struct Options {
    const char* interface = nullptr;
    const char* target = nullptr;
    unsigned long port = 53;
    unsigned long rate = 0;  // packets per second
    unsigned long seconds = 0;
    unsigned long payload = 0;  // bytes
};

constexpr const char* kUsage =
    "usage: udp_flood --interface VETH --target IPV4 --rate PPS --seconds N [--port N] [--payload BYTES]\n"
    "Sends UDP packets to an address on the same link. Only in a network namespace named ebpf-*\n"
    "(ip netns add) and only on a veth interface. At most 2000000 packets a second for at most 120 seconds.\n"
    "Prints {\"sent\": packets, \"failed\": packets, \"seconds\": s} when done.\n";

[[noreturn]] void die(const char* text) {
    std::fprintf(stderr, "udp_flood: %s\n", text);
    std::exit(4);
}

[[noreturn]] void die_errno(const char* what) {
    std::fprintf(stderr, "udp_flood: %s: %s\n", what, strerror(errno));
    std::exit(4);
}

[[noreturn]] void bad_usage() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

unsigned long number(const char* text, unsigned long low, unsigned long high) {
    char* end = nullptr;
    errno = 0;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high) bad_usage();
    return value;
}

Options parse(int count, char** arguments) {
    const option names[] = {{"interface", required_argument, nullptr, 'i'},
                            {"target", required_argument, nullptr, 't'},
                            {"port", required_argument, nullptr, 'p'},
                            {"rate", required_argument, nullptr, 'r'},
                            {"seconds", required_argument, nullptr, 's'},
                            {"payload", required_argument, nullptr, 'l'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
    Options options;
    for (int name; (name = getopt_long(count, arguments, "", names, nullptr)) != -1;) {
        switch (name) {
            case 'i':
                options.interface = optarg;
                break;
            case 't':
                options.target = optarg;
                break;
            case 'p':
                options.port = number(optarg, 1, 65535);
                break;
            case 'r':
                options.rate = number(optarg, 1, 2'000'000);
                break;
            case 's':
                options.seconds = number(optarg, 1, 120);
                break;
            case 'l':
                options.payload = number(optarg, 0, 1472);
                break;
            case 'h':
                std::fputs(kUsage, stdout);
                std::exit(0);
            default:
                bad_usage();
        }
    }
    if (optind != count || !options.interface || !options.target || options.rate == 0 ||
        options.seconds == 0) {
        bad_usage();
    }
    return options;
}

/// Whether this process's network namespace is one that `ip netns add ebpf-...` made.
bool is_test_namespace() {
    struct stat own;
    if (stat("/proc/self/ns/net", &own) != 0) die_errno("/proc/self/ns/net");
    DIR* names = opendir(kNamespaceFolder);
    if (names == nullptr) return false;
    bool is_found = false;
    while (const dirent* entry = readdir(names)) {
        struct stat named;
        if (std::strncmp(entry->d_name, kNamespaceStart, std::strlen(kNamespaceStart)) != 0) continue;
        if (fstatat(dirfd(names), entry->d_name, &named, 0) != 0) continue;
        is_found = is_found || (named.st_ino == own.st_ino && named.st_dev == own.st_dev);
    }
    closedir(names);
    return is_found;
}

/// Real networks are out of reach: only a namespace made for tests, only a veth.
void require_test_network(int sock, const char* interface) {
    if (!is_test_namespace()) die("refused: not in a network namespace named ebpf-* (ip netns add)");
    ethtool_drvinfo driver{};
    driver.cmd = ETHTOOL_GDRVINFO;
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&driver);
    if (ioctl(sock, SIOCETHTOOL, &request) != 0) die_errno(interface);
    if (std::strcmp(driver.driver, "veth") != 0) die("refused: not a veth interface");
}

UdpEndpoint source_endpoint(int sock, const char* interface) {
    UdpEndpoint source{};
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(sock, SIOCGIFHWADDR, &request) != 0) die_errno(interface);
    std::memcpy(source.mac, request.ifr_hwaddr.sa_data, sizeof(source.mac));
    if (ioctl(sock, SIOCGIFADDR, &request) != 0) die_errno(interface);
    sockaddr_in address;
    std::memcpy(&address, &request.ifr_addr, sizeof(address));
    source.address = ntohl(address.sin_addr.s_addr);
    source.port = 40000;
    return source;
}

/// Has the kernel resolve the target's MAC by sending it one packet.
UdpEndpoint target_endpoint(int sock, const Options& options) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options.port));
    if (inet_pton(AF_INET, options.target, &address.sin_addr) != 1) die("--target: not an IPv4 address");
    arpreq entry{};
    std::strncpy(entry.arp_dev, options.interface, sizeof(entry.arp_dev) - 1);
    sockaddr_in protocol_address = address;
    protocol_address.sin_port = 0;
    std::memcpy(&entry.arp_pa, &protocol_address, sizeof(protocol_address));
    for (int attempt = 0; attempt < 100; ++attempt) {
        sendto(sock, "", 0, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
        usleep(20'000);
        if (ioctl(sock, SIOCGARP, &entry) == 0 && (entry.arp_flags & ATF_COM) != 0) {
            UdpEndpoint target{.mac = {},
                               .address = ntohl(address.sin_addr.s_addr),
                               .port = static_cast<std::uint16_t>(options.port)};
            std::memcpy(target.mac, entry.arp_ha.sa_data, sizeof(target.mac));
            return target;
        }
    }
    die("the target does not answer on this link");
}

std::uint64_t now_ns() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

void sleep_until(std::uint64_t ns) {
    const timespec time{.tv_sec = static_cast<time_t>(ns / kSecond),
                        .tv_nsec = static_cast<long>(ns % kSecond)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

int open_sender(const char* interface) {
    const int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (sock < 0) die_errno("packet socket");
    const int one = 1;
    setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    if (bind(sock, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) die_errno("bind");
    return sock;
}

std::vector<std::vector<std::uint8_t>> make_frames(UdpEndpoint source, const UdpEndpoint& target,
                                                   std::size_t payload) {
    const std::vector<std::uint8_t> body(payload, 'x');
    std::vector<std::vector<std::uint8_t>> frames;
    for (unsigned i = 0; i < kSourcePorts; ++i) {
        frames.push_back(make_udp_frame(source, target, body));
        ++source.port;
    }
    return frames;
}

void flood(int sock, std::vector<std::vector<std::uint8_t>>& frames, const Options& options) {
    mmsghdr messages[kSourcePorts] = {};
    iovec parts[kSourcePorts];
    for (std::size_t i = 0; i < frames.size(); ++i) {
        parts[i] = {.iov_base = frames[i].data(), .iov_len = frames[i].size()};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    const std::uint64_t interval = kBatch * kSecond / options.rate;
    const std::uint64_t start = now_ns();
    const std::uint64_t end = start + options.seconds * kSecond;
    std::uint64_t next = start;
    std::uint64_t now = start;
    for (unsigned first = 0; now < end && stop_requested == 0; first = (first + kBatch) % kSourcePorts) {
        const int done = sendmmsg(sock, messages + first, kBatch, 0);
        if (done > 0) sent += static_cast<std::uint64_t>(done);
        if (done < static_cast<int>(kBatch)) failed += kBatch - static_cast<unsigned>(std::max(done, 0));
        next += interval;
        now = now_ns();
        if (next > now) sleep_until(next);
        if (next + kMaximumLag < now) next = now;
    }
    const double seconds = static_cast<double>(now_ns() - start) / static_cast<double>(kSecond);
    std::printf("{\"sent\": %llu, \"failed\": %llu, \"seconds\": %.3f}\n",
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(failed), seconds);
}

}  // namespace

int main(int count, char** arguments) {
    const Options options = parse(count, arguments);
    const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) die_errno("socket");
    require_test_network(control, options.interface);
    const UdpEndpoint source = source_endpoint(control, options.interface);
    const UdpEndpoint target = target_endpoint(control, options);
    auto frames = make_frames(source, target, options.payload);
    for (int number : {SIGINT, SIGTERM}) signal(number, [](int) { stop_requested = 1; });
    prctl(PR_SET_TIMERSLACK, 1000UL);
    flood(open_sender(options.interface), frames, options);
    return 0;
}
