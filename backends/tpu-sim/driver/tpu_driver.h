/* SPDX-License-Identifier: Apache-2.0 */
/* What a real chip's driver is: everything through tn_bus, everything about the chip from its
 * registers. Nothing here knows whether silicon, a model or a log is behind the bus. */
#ifndef TN_BACKENDS_TPU_DRIVER_H
#define TN_BACKENDS_TPU_DRIVER_H

#include <backends/tpu-sim/tpu_regs.h>
#include <kernels/systolic/systolic.h>
#include <tenon/diag.h>

/** How a call on the chip ended. */
typedef enum tpu_result {
    TPU_OK,
    TPU_FAILED, /* the chip reported an error: report has it; a reset brings the chip back */
    TPU_HUNG,   /* no end and no error; likewise */
    TPU_GONE,   /* the bus answers with all ones, or a reset did not help */
    TPU_NO_MEMORY
} tpu_result;

/** What happened, for error texts and tallies. */
typedef struct tpu_report {
    uint32_t code, info, seq; /* of the last error */
    uint64_t addr;
    uint64_t interrupts_lost, doorbells_again, resets, columns_masked;
} tpu_report;

/** One open chip. Externally synchronised. */
typedef struct tpu_chip {
    tn_bus bus;
    tn_k_sys_caps caps;
    uint32_t errata, protect, clock_khz, watchdog_us;
    tn_k_sys_packet *ring;
    uint64_t ring_iova, fence_iova, fence_next;
    volatile uint64_t *fence;
    uint32_t ring_log2, tail, rung; /* packets written; told to the chip */
    tpu_report report;
} tpu_chip;

/** Looks at the chip, resets it and sets up its ring; false with a sentence in `error`. */
bool tn__tpu_open(tpu_chip *chip, const tn_bus *bus, char *error, size_t room);
void tn__tpu_close(tpu_chip *chip);
/** Brings the chip back after an error: nothing that was pushed before is done any more. */
tpu_result tn__tpu_reset(tpu_chip *chip);
/** Adds a packet, waiting for room in the ring where that is needed. */
tpu_result tn__tpu_push(tpu_chip *chip, const tn_k_sys_packet *packet);
/** Waits until everything that was pushed is done. */
tpu_result tn__tpu_finish(tpu_chip *chip);
/** A counter of the chip, TPU_COUNT_*. */
uint64_t tn__tpu_counter(tpu_chip *chip, uint32_t counter);
/** Takes a column out of use and resets the chip: caps.cols is one less afterwards. */
tpu_result tn__tpu_mask_column(tpu_chip *chip, uint32_t column);
/** Sends patterns through every element of the array; returns how many columns gave a wrong result
 * and lists the first `room` of them, as physical columns. UINT32_MAX: the test could not run. */
uint32_t tn__tpu_test_columns(tpu_chip *chip, uint32_t *out, uint32_t room);

#endif
