/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a timeline, written command by command in the order of their ends. */
#ifndef TN_TOOLS_SIM_HTML_H
#define TN_TOOLS_SIM_HTML_H

#include "sim_chip.h"

#include <stdio.h>

void tool_html_begin(FILE *f, const char *title, uint64_t tick_khz, uint32_t engines);
/* signaller: the command, counted from 0 as they were written, whose signal this one waited for; or
 * -1. */
void tool_html_command(FILE *f, bool first, const sim_retired *r, const tn_k_sys_packet *p,
                       int64_t signaller);
void tool_html_end(FILE *f);

#endif
