/* SPDX-License-Identifier: MIT */
/* Host-side contexts: what a hook fills in before it invokes a program. Programs never see these layouts:
 * their accesses to struct xdp_md, __sk_buff, bpf_sock_addr or bind_md_t are rewritten to them when a program
 * is loaded. C and C++. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Context of an XDP invocation. data_hard_start <= data_meta <= data <= data_end <= frame_end, one buffer.
 *  xdp_adjust_head moves data (and data_meta) within [data_hard_start, data_end - 14]. */
struct ebpf_xdp_context {
    uint8_t* data;
    uint8_t* data_end;
    uint8_t* data_meta;       /**< equal to data when there is no metadata */
    uint8_t* data_hard_start; /**< start of the headroom */
    uint8_t* frame_end;       /**< end of the buffer */
    uint32_t ingress_ifindex;
    uint32_t rx_queue_index;
};

/** Context of a socket filter invocation; data..data_end serve the packet access instructions. */
struct ebpf_skb_context {
    uint8_t* data;
    uint8_t* data_end;
    uint32_t len;
    uint32_t pkt_type;
    uint32_t mark;
    uint32_t queue_mapping;
    uint32_t protocol; /**< big-endian EtherType, as in __sk_buff */
    uint32_t vlan_present;
    uint32_t vlan_tci;
    uint32_t vlan_proto;
    uint32_t priority;
    uint32_t ingress_ifindex;
    uint32_t ifindex;
    uint32_t hash;
    uint32_t cb[5];
};

/** Context of a program at the making of a socket. */
struct ebpf_sock_context {
    uint32_t bound_dev_if; /**< 0 */
    uint32_t family;       /**< AF_INET or AF_INET6 */
    uint32_t type;         /**< SOCK_STREAM, ... */
    uint32_t protocol;     /**< IPPROTO_TCP, ...; 0 of raw sockets only */
    uint32_t mark;         /**< 0 */
    uint32_t priority;     /**< 0 */
};

/** Context of a program that sees an address: the one that the caller of bind(), connect(), sendto() or
 * sendmsg() gave, the one that getsockname() or getpeername() is to tell, or the one at which listen() shall
 * take connections; and the socket. Addresses and ports are in network byte order. What the program writes is
 * the address that is used. Fields of the other address family are 0. */
struct ebpf_sock_addr_context {
    uint32_t user_family; /**< AF_INET or AF_INET6, of the address */
    uint32_t user_ip4;
    union {
        uint32_t user_ip6[4];
        uint64_t user_ip6_pair[2];
    };
    uint32_t family;   /**< of the socket */
    uint32_t type;     /**< SOCK_STREAM, ... */
    uint32_t protocol; /**< IPPROTO_TCP, ... */
    uint16_t user_port;
    uint16_t reserved; /**< 0 */
    union {
        uint32_t msg_src[6]; /**< where a datagram is sent from: [0] IPv4, [1] to [4] IPv6; [5] is 0 */
        uint64_t msg_src_pair[3];
    };
};

/** Context of a `bind` program (eBPF for Windows' bind_md_t). */
struct ebpf_bind_context {
    uint8_t* app_id_start; /**< path of the application: UTF-8 on Linux, UTF-16 on Windows; no NUL */
    uint8_t* app_id_end;   /**< at most 65535 bytes behind the start */
    uint64_t process_id;
    union {
        uint64_t address[2]; /**< the first 16 bytes of a sockaddr; longer ones are cut */
        struct {
            uint16_t family; /**< the host's number: AF_INET is 2 everywhere */
            uint16_t port;   /**< network byte order */
            uint32_t ip4;    /**< network byte order */
        };
    };
    uint32_t operation;            /**< 0: bind, 1: bound, 2: what was bound has been let go */
    uint8_t socket_address_length; /**< of the whole sockaddr, bytes */
    uint8_t protocol;              /**< IPPROTO_TCP, ... */
    uint8_t reserved[2];           /**< 0 */
};

/** Context of a `memory` program: r1 = data, r2 = length; there is no context structure that programs read.
 */
struct ebpf_memory_context {
    uint8_t* data;
    uint64_t length; /**< exactly the length that the program was verified for */
};

#ifdef __cplusplus
}
#endif
