/* SPDX-License-Identifier: MIT */
/* Where an XDP program runs among the programs of an interface, as libxdp has it:
 *
 *     struct {
 *         __uint(priority, 10);   // those of lower numbers run first
 *         __uint(XDP_PASS, 1);    // the next program runs after these verdicts
 *         __uint(XDP_DROP, 1);
 *     } XDP_RUN_CONFIG(my_program);
 */
#pragma once

#define XDP_RUN_CONFIG_SEC ".xdp_run_config"
#define XDP_DEFAULT_RUN_PRIO 50
#define XDP_DEFAULT_CHAIN_CALL_ACTIONS (1 << XDP_PASS)

#define XDP_RUN_CONFIG(program) _##program __attribute__((section(XDP_RUN_CONFIG_SEC), used))
