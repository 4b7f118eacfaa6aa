/* SPDX-License-Identifier: MIT */
/* A layer-4 load balancer that answers directly: finds the service of a packet, keeps connections on the
 * server they began with, chooses servers for new ones from a ring of slots, and rewrites the MAC
 * addresses. */
#include "bench.h"
#include "jenkins.h"

#define RING_SLOTS 4096
#define FRAGMENT 0x3fff /* more fragments, or an offset */
#define TCP_SYN 0x02

struct service_key {
    __be32 address;
    __be16 port;
    __u16 protocol;
};
struct service {
    __u32 number;
    __u32 ring_start;
    __u32 ring_mask;
    __u32 flags;
};
struct connection_key {
    __be32 source;
    __be32 destination;
    __be16 source_port;
    __be16 destination_port;
    __u32 protocol;
};
struct connection {
    __u32 server;
    __u32 packets;
};
struct server {
    __u8 mac[6];
    __u16 is_up;
    __u64 packets;
    __u64 bytes;
};
struct statistics {
    __u64 packets;
    __u64 bytes;
    __u64 new_connections;
    __u64 dropped;
};

enum { SERVICE_FLAG_STICKY = 1 };

BENCH_HASH(services, struct service_key, struct service, 256);
BENCH_HASH(connections, struct connection_key, struct connection, 16384);
BENCH_ARRAY(ring, __u32, RING_SLOTS);
BENCH_ARRAY(servers, struct server, 64);
BENCH_ARRAY(counters, struct statistics, 256);

struct packet {
    struct connection_key key;
    __u32 bytes;
    __u8 is_syn;
};

static __always_inline int parse_transport(const void* transport, const void* end, struct packet* packet) {
    if (packet->key.protocol == IPPROTO_TCP) {
        const struct tcphdr* tcp = transport;
        if ((const void*)(tcp + 1) > end) return XDP_DROP;
        packet->key.source_port = tcp->source;
        packet->key.destination_port = tcp->dest;
        packet->is_syn = (((const __u8*)tcp)[13] & TCP_SYN) != 0;
        return 0;
    }
    if (packet->key.protocol == IPPROTO_UDP) {
        const struct udphdr* udp = transport;
        if ((const void*)(udp + 1) > end) return XDP_DROP;
        packet->key.source_port = udp->source;
        packet->key.destination_port = udp->dest;
        return 0;
    }
    return XDP_PASS;
}

static __always_inline __u32 choose_server(const struct connection_key* key, const struct service* service) {
    __u32 words[3] = {key->source, key->destination, (__u32)key->source_port << 16 | key->destination_port};
    if (service->flags & SERVICE_FLAG_STICKY) words[2] = 0;
    const __u32 hash = jenkins_hash(words, 3, service->number);
    const __u32 slot = (service->ring_start + (hash & service->ring_mask)) % RING_SLOTS;
    const __u32* server = bench_lookup(ring, &slot);
    return server ? *server : 0;
}

static __always_inline __u32 server_of(const struct packet* packet, const struct service* service,
                                       struct statistics* total) {
    struct connection* known = bench_lookup(connections, &packet->key);
    if (known && !packet->is_syn) {
        known->packets += 1;
        const __u32 number = known->server;
        const struct server* server = bench_lookup(servers, &number);
        if (server && server->is_up) return number;
    }
    struct connection fresh = {choose_server(&packet->key, service), 1};
    bench_update(connections, &packet->key, &fresh);
    total->new_connections += 1;
    return fresh.server;
}

SEC("xdp")
int load_balancer(struct xdp_md* ctx) {
    void* data = bench_data(ctx);
    const void* end = bench_end(ctx);
    struct ethhdr* eth = data;
    if ((const void*)(eth + 1) > end) return XDP_DROP;
    if (eth->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
    const struct iphdr* ip = (const void*)(eth + 1);
    if ((const void*)(ip + 1) > end) return XDP_DROP;
    if (ip->ihl != 5 || ip->ttl <= 1) return XDP_DROP;
    if (ip->frag_off & bpf_htons(FRAGMENT)) return XDP_DROP;
    struct packet packet = {};
    packet.key.source = ip->saddr;
    packet.key.destination = ip->daddr;
    packet.key.protocol = ip->protocol;
    packet.bytes = bpf_ntohs(ip->tot_len);
    const int verdict = parse_transport(ip + 1, end, &packet);
    if (verdict) return verdict;

    struct service_key wanted = {ip->daddr, packet.key.destination_port, ip->protocol};
    const struct service* service = bench_lookup(services, &wanted);
    if (!service) {
        wanted.port = 0; /* a service of all ports */
        service = bench_lookup(services, &wanted);
        if (!service) return XDP_PASS;
    }
    const __u32 number = service->number;
    struct statistics* total = bench_lookup(counters, &number);
    if (!total) return XDP_DROP;
    total->packets += 1;
    total->bytes += packet.bytes;

    const __u32 chosen = server_of(&packet, service, total);
    struct server* server = bench_lookup(servers, &chosen);
    if (!server || !server->is_up) {
        total->dropped += 1;
        return XDP_DROP;
    }
    server->packets += 1;
    server->bytes += packet.bytes;
    __builtin_memcpy(eth->h_source, eth->h_dest, sizeof(eth->h_source));
    __builtin_memcpy(eth->h_dest, server->mac, sizeof(eth->h_dest));
    return XDP_TX;
}

BENCH_INPUT(load_balancer, "layer-4 load balancer: service, connection, server, rewritten MACs") {
    bench_ip_packet(input, 128, IPPROTO_TCP, 443);
    for (__u32 i = 0; i < 64; ++i) {
        const struct service_key key = {bpf_htonl(0xc0a80002 + i / 4), bpf_htons((__u16)(443 + i % 4)),
                                        IPPROTO_TCP};
        const struct service service = {i, i * 64, 63, 0};
        input->put(input, "services", &key, &service);
        const struct server server = {{2, 0, 0, 0, 1, (__u8)i}, 1, 0, 0};
        input->put(input, "servers", &i, &server);
    }
    for (__u32 i = 0; i < RING_SLOTS; ++i) {
        const __u32 server = (i * 2654435761U >> 16) % 64;
        input->put(input, "ring", &i, &server);
    }
    for (__u32 i = 0; i < 4000; ++i) {
        const struct connection_key key = {bpf_htonl(0x0a000100 + i), bpf_htonl(0xc0a80002),
                                           bpf_htons((__u16)(1024 + i)), bpf_htons(443), IPPROTO_TCP};
        const struct connection connection = {i % 64, 1};
        input->put(input, "connections", &key, &connection);
    }
}
