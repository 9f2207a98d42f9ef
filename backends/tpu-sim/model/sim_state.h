/* SPDX-License-Identifier: Apache-2.0 */
/* The model's own view of a chip: one block of state, and what its files ask of each other. */
#ifndef TN_BACKENDS_SIM_STATE_H
#define TN_BACKENDS_SIM_STATE_H

#include "sim.h"

enum { SIM_FLIGHTS = 512, SIM_EVENTS = 3 * SIM_FLIGHTS, SIM_RANGES = 6, SIM_FAULTS = 32 };
enum { SIM_BUSY, SIM_WAITS_SEMAPHORE, SIM_WAITS_RESOURCE, SIM_EMPTY, SIM_STATES };

/* Rows [first, end) that a command reads or writes; what planes need is an interlock of its own. */
typedef struct sim_range {
    uint32_t first, end;
    bool acc, write;
} sim_range;

typedef struct sim_queued {
    tn_k_sys_packet p;
    uint64_t seq, at;
    uint64_t needs; /* LDW: multiplications through its plane before; MM: loads of it */
    uint32_t waited;
} sim_queued;

typedef struct sim_engine {
    sim_queued fifo[SIM_FIFO_MOST];
    uint32_t head, count, state, flying, last_op;
    uint64_t since, time[SIM_STATES], ticks_per_cycle;
    bool busy, hung;
} sim_engine;

/* A command that has started and not yet shown its effect. */
typedef struct sim_flight {
    sim_queued c;
    sim_range range[SIM_RANGES];
    uint32_t ranges, engine, errata, error;
    uint64_t start, issued;
    double left; /* DMA: bytes yet to move */
    bool used;
} sim_flight;

typedef struct sim_event {
    uint64_t tick, order;
    uint16_t flight;
    uint8_t kind;
} sim_event;
enum { SIM_EV_JOINS, SIM_EV_ISSUED, SIM_EV_DONE };

enum {
    SIM_FAULT_FLIP = 1, /* where: space; a row, b bit; count of bits */
    SIM_FAULT_PACKET,   /* bit a of the nth packet */
    SIM_FAULT_STUCK,    /* product bit: row a, column b, bit c, value d */
    SIM_FAULT_STUCK_SUM,
    SIM_FAULT_STUCK_WEIGHT,
    SIM_FAULT_DMA_ERROR, /* the nth transfer ends with a bus error */
    SIM_FAULT_DMA_SHORT, /* without its last byte */
    SIM_FAULT_DMA_WRONG, /* bit a of what it moved is wrong */
    SIM_FAULT_DMA_DELAY, /* a cycles longer */
    SIM_FAULT_IRQ_LOST,
    SIM_FAULT_IRQ_EARLY,
    SIM_FAULT_IRQ_SPURIOUS,
    SIM_FAULT_HANG,     /* the nth command never ends */
    SIM_FAULT_DOORBELL, /* the nth write of TAIL is not seen */
    SIM_FAULT_GONE,     /* reads give all ones from the nth doorbell on */
    SIM_FAULT_THROTTLE  /* clock a/256 from the nth command on */
};
typedef struct sim_fault {
    uint32_t kind, space, bits, sticky;
    uint64_t nth, a, b, c, d;
    bool armed;
} sim_fault;

struct sim_dev {
    sim_profile profile;
    tn_allocator allocator;
    sim_env env;
    const tn_k_sys_math *math;
    tn_k_sys_tables tables; /* of a chip that has them */
    uint32_t timing, protect;
    uint64_t tick_khz, now, order;
    double bytes_per_tick;

    /* memories; one bit a row: written */
    unsigned char *spad, *acc;
    uint64_t *spad_written, *acc_written;
    uint32_t spad_rows, acc_rows, acc_row_bytes, cols_padded;
    float *plane; /* [array][plane][rows][cols_padded] */
    uint32_t *plane_k, *plane_n, *plane_type;
    float *sums, *wide, *again, *part; /* of a tile of rows: results, inputs, results again */
    uint32_t scratch_rows, row_room;
    float *row;                        /* of the longest row that a reduction takes */
    uint16_t column[SIM_COLUMNS_MOST]; /* logical to physical */
    uint32_t columns;                  /* usable */
    uint64_t fuse[SIM_COLUMNS_MOST / 64];

    /* registers */
    uint32_t status, error, error_info, error_seq, irq_raw, irq_status, irq_mask, throttle;
    uint32_t ring_log2, head, tail, wdog_us, fuse_select, scratch[4];
    uint32_t dbg_space, dbg_addr, dbg_engine, dbg_break, steps;
    bool stopped; /* the front end hands out `steps` more packets and then none */
    uint64_t error_addr, ring, fence, window;
    uint16_t semaphore[SIM_SEMAPHORES];
    bool halted, frozen;
    uint64_t frozen_count[TPU_COUNTS], count[TPU_COUNTS], cleared, progress;

    /* time */
    sim_engine engine[TN_K_SYS_ENGINES];
    sim_flight flight[SIM_FLIGHTS];
    sim_event event[SIM_EVENTS];
    uint32_t events, flights, moving[2], movers;
    uint64_t moved_at, seq;
    uint64_t loads_queued[TN_K_SYS_ARRAYS_MOST][8], loads_done[TN_K_SYS_ARRAYS_MOST][8];
    uint64_t uses_queued[TN_K_SYS_ARRAYS_MOST][8], uses_done[TN_K_SYS_ARRAYS_MOST][8];
    bool fenced; /* nothing is handed out behind a fence that has not ended */

    /* faults */
    sim_fault fault[SIM_FAULTS];
    uint32_t faults, struck;
    uint64_t doorbells, transfers, commands, irqs;
    bool gone;

    void (*retired)(void *self, const sim_retired *);
    void *retired_self;
    bool retired_crc;
};

/* sim_time.c */
void tn__sim_time_reset(sim_dev *d);
void tn__sim_fail(sim_dev *d, uint32_t code, uint32_t info, uint64_t addr, uint64_t seq);
void tn__sim_irq(sim_dev *d, uint32_t bits);
uint64_t tn__sim_ticks(const sim_dev *d, uint64_t ns);
void tn__sim_doorbell(sim_dev *d);

/* sim_ranges.c: engine of a packet, or ENGINES; the rows it touches. Both give TPU_ERR_*. */
uint32_t tn__sim_engine_of(const tn_k_sys_packet *p);
uint32_t tn__sim_ranges_of(const sim_dev *d, const tn_k_sys_packet *p, sim_range *out,
                           uint32_t *out_count);
uint32_t tn__sim_rows_of(const sim_dev *d, uint32_t at, uint64_t bytes);
uint64_t tn__sim_type_bytes(uint32_t type);
unsigned char *tn__sim_row(sim_dev *d, uint32_t at);

/* Effects: TPU_ERR_*; *out_crc of what was written where it is asked for. */
uint32_t tn__sim_dma(sim_dev *d, sim_flight *f, uint32_t *out_crc); /* sim_dma.c */
uint64_t tn__sim_dma_bursts(const sim_dev *d, const tn_k_sys_packet *p);
uint32_t tn__sim_load_weights(sim_dev *d, const tn_k_sys_packet *p); /* sim_array.c */
uint32_t tn__sim_multiply(sim_dev *d, sim_flight *f);

/* sim_numerics.c: what the numerics id asks for beyond the array's own way. */
typedef struct sim_tile {
    const float *w;
    uint32_t rows, k, n, turn;
    bool ints, gated;
    const unsigned char *start; /* accumulator rows that the columns start at; NULL: +0 */
} sim_tile;
static inline uint32_t tn__sim_sum_bits(uint32_t id)
{
    return id >> TPU_NUMERICS_BITS != 0 ? id >> TPU_NUMERICS_BITS : 32;
}
bool tn__sim_columns_differ(const sim_dev *d, bool ints, uint32_t k);
void tn__sim_columns(const sim_dev *d, const sim_tile *t, float *s);
void tn__sim_accumulate(uint32_t id, float *to, const float *s, uint32_t n, bool ints);

uint32_t tn__sim_vector(sim_dev *d, const tn_k_sys_packet *p); /* sim_vector.c */
uint64_t tn__sim_vector_cycles(const sim_dev *d, const tn_k_sys_packet *p);

/* sim_fault.c */
bool tn__sim_fault_read(sim_dev *d, const char *script, char *error, size_t room);
void tn__sim_fault_fetched(sim_dev *d, tn_k_sys_packet *p);
bool tn__sim_fault_starts(sim_dev *d, sim_flight *f, uint64_t *cycles); /* false: hangs */
void tn__sim_fault_ends(sim_dev *d, sim_flight *f);
const sim_fault *tn__sim_fault_moves(sim_dev *d); /* of this transfer */
bool tn__sim_fault_irq(sim_dev *d);               /* true: lost */
bool tn__sim_fault_rings(sim_dev *d);             /* true: dropped */
const sim_fault *tn__sim_fault_stuck(const sim_dev *d);

#endif
