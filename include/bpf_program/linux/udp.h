/* SPDX-License-Identifier: MIT */
/* UDP header (RFC 768). */
#pragma once

#include <linux/types.h>

struct udphdr {
    __be16 source;
    __be16 dest;
    __be16 len; /* of header and payload */
    __sum16 check;
};
