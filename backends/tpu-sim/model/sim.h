/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated chip behind the registers: values, cycles, faults. No globals, no threads, no
 * allocation after tn__sim_new; time moves in tn__sim_run alone. */
#ifndef TN_BACKENDS_SIM_H
#define TN_BACKENDS_SIM_H

#include <backends/tpu-sim/tpu_regs.h>
#include <kernels/systolic/systolic.h>
#include <tenon/device.h>

enum { SIM_NAME = 48, SIM_COLUMNS_MOST = 512, SIM_FIFO_MOST = 64, SIM_SEMAPHORES = 32 };

/** A chip as data (profiles/NAME.json). Immutable after it is read. */
typedef struct sim_profile {
    char name[SIM_NAME], vendor[SIM_NAME];
    uint32_t rows, cols, arrays, planes;
    uint32_t load_rows;          /* weight rows that enter a cycle */
    uint32_t tile_rows;          /* rows of activations that enter a cycle */
    uint32_t min_interval, fill; /* cycles; fill 0: no skew, results are there after the last row */
    uint32_t lanes, vector_latency, vector_ports, function_passes;
    uint64_t array_khz, vector_khz, control_khz;
    uint64_t dma_bytes_per_s;
    uint32_t dma_setup_cycles, dma_latency_ns, dma_burst;
    uint32_t spad_kib, acc_kib, row_bytes, queue_depth, semaphores;
    uint32_t types, flags, numerics;  /* TPU_CAP_TYPES, FLAGS, NUMERICS */
    uint32_t tree_products, sum_bits; /* as in numerics */
    uint32_t errata, watchdog_us;
    uint32_t segments; /* of the tables of functions; 0: none */
    uint64_t dead_columns[SIM_COLUMNS_MOST / 64];
    uint64_t peak_gmacs; /* what the vendor says, in 10^9 a second; 0: not given */
} sim_profile;

/** Reads a profile; false with a sentence in `error`. */
bool tn__sim_profile_read(const char *text, size_t bytes, sim_profile *out, char *error,
                          size_t room);
/** Calls fn with each parameter of a profile: its value as written, and where it is from. */
bool tn__sim_profile_each(const char *text, size_t bytes,
                          bool (*fn)(void *self, const char *key, const char *value,
                                     const char *source),
                          void *self, char *error, size_t room);
/** The text of a built-in profile, NULL for a name that is none; by index for lists. */
const char *tn__sim_profile_text(const char *name, size_t *out_bytes);
const char *tn__sim_profile_name(uint32_t index);

/** Memory that the chip may reach; NULL is a bus error. */
typedef struct sim_env {
    void *self;
    void *(*map)(void *self, uint64_t iova, uint64_t bytes);
    /* what a chip could not say: races, reads of rows that nothing wrote; may be NULL */
    void (*note)(void *self, const char *text);
} sim_env;

enum { SIM_SERIAL, SIM_OVERLAP };
enum { SIM_PROTECT_NONE, SIM_PROTECT_ECC, SIM_PROTECT_FULL };
typedef struct sim_options {
    uint32_t timing, protect;
    const tn_k_sys_math *math;
    const char *faults; /* a script, or NULL */
} sim_options;

typedef struct sim_dev sim_dev;

/** A command that has ended; crc32 is of the rows or host bytes that it wrote, 0 unless asked for
 * by tn__sim_trace. Times are ticks of tn__sim_tick_khz. */
typedef struct sim_retired {
    const tn_k_sys_packet *packet;
    uint64_t seq, queued, start, issued, end;
    uint32_t engine, crc32, stall; /* what it waited for last: 1 semaphore, 2 resource */
} sim_retired;

sim_dev *tn__sim_new(const sim_profile *profile, const sim_options *options,
                     const tn_allocator *allocator, const sim_env *env, char *error, size_t room);
void tn__sim_free(sim_dev *dev);
uint32_t tn__sim_read(sim_dev *dev, uint32_t offset);
void tn__sim_write(sim_dev *dev, uint32_t offset, uint32_t value);
/** Runs until an interrupt of the mask is up or the time has passed; true for the interrupt. */
bool tn__sim_run(sim_dev *dev, uint32_t irq_mask, uint64_t timeout_ns);
uint64_t tn__sim_now_ns(const sim_dev *dev);
uint64_t tn__sim_tick_khz(const sim_dev *dev);
void tn__sim_trace(sim_dev *dev, void (*fn)(void *self, const sim_retired *), void *self, bool crc);
uint64_t tn__sim_count(sim_dev *dev, uint32_t counter); /* TPU_COUNT_* */
/** The whole state of a chip, in the middle of commands too, as one block; host memory is not the
 *  chip's. A block goes back into a chip of the same profile and options alone: false for another.
 */
size_t tn__sim_snapshot_bytes(const sim_dev *dev);
void tn__sim_snapshot(const sim_dev *dev, void *out);
bool tn__sim_restore(sim_dev *dev, const void *from, size_t bytes);
/** How many faults of the script have struck. */
uint32_t tn__sim_faults_struck(const sim_dev *dev);

/* ---- sim_cycles.c: closed forms ---- */
enum { SIM_WS, SIM_IS, SIM_OS };
typedef struct sim_gemm {
    uint64_t m, n, k;
    uint32_t rows, cols, dataflow, timing;
    bool no_drain;      /* OS: without the shifting out of the results */
    uint32_t load_rows; /* overlap: weight rows a cycle; 0: 1 */
} sim_gemm;
typedef struct sim_gemm_cycles {
    uint64_t cycles, folds, useful_macs, ifmap_reads, filter_reads;
    double mapping_efficiency; /* percent */
} sim_gemm_cycles;
/** False when a size is 0 or a result leaves 64 bits. */
bool tn__sim_gemm_count(const sim_gemm *what, sim_gemm_cycles *out);

#endif
