/* SPDX-License-Identifier: MIT */
/* Contexts and verdicts of eBPF for Windows' network hooks, by its names. Layouts and values are its own. */
#pragma once

#include <linux/types.h>

/** What a bind program is told of. */
typedef enum _bind_operation {
    BIND_OPERATION_BIND = 0,      /**< a program wants to bind an address: the verdict decides */
    BIND_OPERATION_POST_BIND = 1, /**< it is bound, the port is known; the verdict is ignored */
    BIND_OPERATION_UNBIND = 2,    /**< what was permitted has ended; the verdict is ignored */
} bind_operation_t;

/** A program permits or refuses a bind, or changes where it goes. */
typedef enum _bind_action {
    BIND_PERMIT_SOFT = 0,
    BIND_PERMIT = BIND_PERMIT_SOFT,
    BIND_DENY = 1,
    BIND_REDIRECT = 2,    /**< permitted, to what the program has written to socket_address */
    BIND_PERMIT_HARD = 3, /**< as BIND_PERMIT: nothing else here could overrule a permit */
} bind_action_t;

/** The context of a program of section "bind". Every BIND that a program permits is followed by one UNBIND
 * for it: when the last descriptor of the socket is closed (also by the end of the process), or at once if
 * the host or another program refuses the bind. */
typedef struct _bind_md {
    __u8* app_id_start; /**< path of the application: UTF-8 on Linux hosts, UTF-16 on Windows; no NUL */
    __u8* app_id_end;
    __u64 process_id;           /**< of the process that binds, at an UNBIND of the one that bound */
    __u8 socket_address[16];    /**< the start of a struct sockaddr: family, port, IPv4 address; of an
                                     IPv6 address the first half */
    __u8 socket_address_length; /**< of the whole address: 16 or 28 */
    bind_operation_t operation;
    __u8 protocol; /**< IPPROTO_TCP or IPPROTO_UDP, or another */
} bind_md_t;

typedef bind_action_t bind_hook_t(bind_md_t* context);
