/* SPDX-License-Identifier: Apache-2.0 */
/* A log of everything that passes a bus: recorded, played back as a device, or played into one. */
#ifndef TN_BACKENDS_TPU_BUS_LOG_H
#define TN_BACKENDS_TPU_BUS_LOG_H

#include <stdbool.h>
#include <tenon/device.h>
#include <tenon/diag.h>

/** Where a log and what happens part. */
typedef struct tpu_divergence {
    bool found;
    uint64_t record;  /* transactions before it */
    uint64_t command; /* packets that the chip had been told of by then */
    uint64_t address; /* register, or address of the first byte */
    uint32_t want, got;
    const char *what; /* "record is damaged", "write32", .. */
} tpu_divergence;

/** A bus that passes all on to `inner` and keeps it. The log's first line of bytes is "TNBUS1\n".
 *  memory    `inner` is borrowed; tn__tpu_log_close() frees the log, not `inner` */
bool tn__tpu_log_open(const tn_allocator *allocator, const tn_bus *inner, tn_bus *out);
/** What was kept so far; false where memory ran out on the way. */
bool tn__tpu_log_data(const tn_bus *log, const unsigned char **out_data, size_t *out_bytes);
void tn__tpu_log_close(tn_bus *log);

/** A bus whose device is a log: it answers what was answered then, as long as it is asked the same.
 *  memory    `data` is borrowed until tn__tpu_replay_close() */
bool tn__tpu_replay_open(const tn_allocator *allocator, const unsigned char *data, size_t bytes,
                         tn_bus *out);
void tn__tpu_replay_where(const tn_bus *replay, tpu_divergence *out);
void tn__tpu_replay_close(tn_bus *replay);

/** Asks a device what the log asked, and compares the answers: registers, waits, and what it wrote
 * to memory. */
void tn__tpu_replay_into(const tn_allocator *allocator, const unsigned char *data, size_t bytes,
                         const tn_bus *device, tpu_divergence *out, uint64_t *out_records);

#endif
