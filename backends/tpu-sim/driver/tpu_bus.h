/* SPDX-License-Identifier: Apache-2.0 */
/* The buses that a chip can be behind. */
#ifndef TN_BACKENDS_TPU_BUS_H
#define TN_BACKENDS_TPU_BUS_H

#include <backends/tpu-sim/model/sim.h>
#include <tenon/diag.h>

/** The model in this process. Its memory is the host's; addresses are the bus's own, so that a run
 * is the same every time. memory    profile and options are copied; tn__tpu_bus_model_close()
 * frees, after the last block threads   dma_alloc and dma_free from any thread; the rest externally
 * synchronised */
bool tn__tpu_bus_model_open(const tn_allocator *allocator, const sim_profile *profile,
                            const sim_options *options, tn_bus *out, char *error, size_t room);
void tn__tpu_bus_model_close(tn_bus *bus);
/** The chip behind it, for traces and faults; never for the driver. */
sim_dev *tn__tpu_bus_model_chip(const tn_bus *bus);

#endif
