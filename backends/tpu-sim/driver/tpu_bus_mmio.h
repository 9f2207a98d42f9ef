/* SPDX-License-Identifier: Apache-2.0 */
/* A bus over mapped memory: registers of a chip, and memory that the chip reaches, at fixed places.
 */
#ifndef TN_BACKENDS_TPU_BUS_MMIO_H
#define TN_BACKENDS_TPU_BUS_MMIO_H

#include <backends/tpu-sim/model/sim.h>
#include <tenon/diag.h>

/** Maps the file at `path` (a device node, or the shared file of tn__tpu_mmio_serve) and talks to
 * what is behind it by plain loads and stores. memory    tn__tpu_mmio_close() unmaps threads
 * dma_alloc and dma_free from any thread; the rest externally synchronised */
bool tn__tpu_mmio_open(const tn_allocator *allocator, const char *path, tn_bus *out, char *error,
                       size_t room);
void tn__tpu_mmio_close(tn_bus *bus);

/** Makes the shared file of a chip that a process will serve: registers, mailbox, and so much
 * memory. */
bool tn__tpu_mmio_make(const char *path, uint64_t memory_bytes, char *error, size_t room);
/** Serves a model behind the file until the other side closes or `idle_ms` pass without a call; its
 *  memory is what sim_env.map reaches. False: the file could not be mapped, or nobody came. */
bool tn__tpu_mmio_serve(const tn_allocator *allocator, const char *path, const sim_profile *profile,
                        const sim_options *options, uint32_t idle_ms, char *error, size_t room);

#endif
