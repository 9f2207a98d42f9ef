/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a fingerprint that is about functions. */
#ifndef TN_TOOLS_FINGERPRINT_FUNCTIONS_H
#define TN_TOOLS_FINGERPRINT_FUNCTIONS_H

#include "tool.h"

/* Prints a line and adds "functions" (the largest relative error of each, null for one that the
 * device lacks) and "straight_pieces" (0: smooth) to the sheet; nothing for what is no device. */
void tool_fingerprint_functions(const char *device, cJSON *sheet);

#endif
