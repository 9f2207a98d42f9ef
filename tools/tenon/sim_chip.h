/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated chip that the command looks into: opened through the backend's own table. */
#ifndef TN_TOOLS_SIM_CHIP_H
#define TN_TOOLS_SIM_CHIP_H

#include "tool.h"

#include <backends/tpu-sim/driver/tpu_backend.h>

typedef struct tool_chip {
    tn_host host;
    tpu_device *device;
    const tn_device_ops *ops;
} tool_chip;

const tn_allocator *tool_allocator(void); /* libc's */
/* arg is what follows "tpu-sim:" in a URI. False: what is wrong was printed. */
bool tool_chip_open(const char *arg, tool_chip *out);
void tool_chip_close(tool_chip *chip);
sim_dev *tool_chip_model(const tool_chip *chip);
/* Runs an op once, its operands filled with small numbers. False: what is wrong was printed. */
bool tool_chip_run(tool_chip *chip, const tn_op *op);
/* A built-in profile or a file; *out_file is to be freed. NULL: there is none. */
const char *tool_profile_text(const char *name, size_t *bytes, char **out_file);
/* False: what is wrong was printed. */
bool tool_profile_read(const char *name, sim_profile *out);
/* "LD", "MM" .. */
const char *tool_packet_name(uint32_t op);
/* "dma_in" .. "array0" */
void tool_engine_name(uint32_t engine, char *text, size_t room);

#endif
