/* SPDX-License-Identifier: Apache-2.0 */
/* The chip as a whole: making one, its registers, its counters. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <stdio.h>
#include <string.h>

enum { SCRATCH_ROWS = 64, RING_LOG2_MOST = 16, ROW_ROOM = 1 << 18 };

static uint64_t common(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* One tick is a whole part of a cycle of every clock. */
static uint64_t tick_khz(const sim_profile *p)
{
    uint64_t t = p->array_khz / common(p->array_khz, p->vector_khz);
    if (__builtin_mul_overflow(t, p->vector_khz, &t))
        return 0;
    t /= common(t, p->control_khz);
    if (__builtin_mul_overflow(t, p->control_khz, &t) || t > UINT64_C(1000000000000))
        return 0;
    return t;
}

typedef struct piece {
    void **at;
    size_t bytes;
} piece;
enum { PIECES = 12 };

static void pieces_of(sim_dev *d, piece out[PIECES])
{
    const sim_profile *p = &d->profile;
    size_t planes = (size_t)p->arrays * p->planes, cols = d->cols_padded;
    size_t tile = SCRATCH_ROWS * cols * sizeof(float);
    const piece list[PIECES] = {
        {(void **)&d->spad, (size_t)d->spad_rows * p->row_bytes},
        {(void **)&d->acc, (size_t)d->acc_rows * d->acc_row_bytes},
        {(void **)&d->spad_written, (d->spad_rows + 63u) / 64 * 8},
        {(void **)&d->acc_written, (d->acc_rows + 63u) / 64 * 8},
        {(void **)&d->plane, planes * p->rows * cols * sizeof(float)},
        {(void **)&d->plane_k, planes * 3 * sizeof(uint32_t)},
        {(void **)&d->sums, tile},
        {(void **)&d->again, tile},
        {(void **)&d->part, tile},
        {(void **)&d->wide, (SCRATCH_ROWS + 1) * (size_t)p->rows * sizeof(float)},
        {(void **)&d->row, ROW_ROOM * sizeof(float)},
        {NULL, 0},
    };
    memcpy(out, list, sizeof list);
}

static void reset(sim_dev *d)
{
    const sim_profile *p = &d->profile;
    d->error = TPU_ERR_NONE;
    d->irq_raw = d->irq_status = d->irq_mask = 0;
    d->throttle = 256;
    d->ring_log2 = 0;
    d->columns = 0;
    for (uint32_t c = 0; c < p->cols; c++)
        if (((p->dead_columns[c / 64] | d->fuse[c / 64]) >> c % 64 & 1u) == 0)
            d->column[d->columns++] = (uint16_t)c;
    memset(d->plane_k, 0, (size_t)p->arrays * p->planes * 3 * sizeof(uint32_t));
    memset(d->spad_written, 0, (d->spad_rows + 63u) / 64 * 8);
    memset(d->acc_written, 0, (d->acc_rows + 63u) / 64 * 8);
    tn__sim_time_reset(d);
}

sim_dev *tn__sim_new(const sim_profile *profile, const sim_options *options,
                     const tn_allocator *allocator, const sim_env *env, char *error, size_t room)
{
    piece list[PIECES];
    sim_dev *d = allocator->alloc(allocator->self, sizeof *d, 64);
    if (room != 0)
        error[0] = '\0';
    if (d == NULL)
        return NULL;
    memset(d, 0, sizeof *d);
    d->profile = *profile;
    d->allocator = *allocator;
    d->env = *env;
    d->math = options->math;
    d->timing = options->timing;
    d->protect = options->protect;
    d->tick_khz = tick_khz(profile);
    if (profile->segments != 0)
        tn_k_sys_tables_make(profile->segments, &d->tables);
    d->cols_padded = (profile->cols + TN_K_SYS_PAD - 1) / TN_K_SYS_PAD * TN_K_SYS_PAD;
    d->acc_row_bytes = profile->cols * 4;
    d->spad_rows = (uint32_t)((uint64_t)profile->spad_kib * 1024 / profile->row_bytes);
    d->acc_rows = (uint32_t)((uint64_t)profile->acc_kib * 1024 / d->acc_row_bytes);
    d->scratch_rows = SCRATCH_ROWS;
    d->row_room = ROW_ROOM;
    d->wdog_us = profile->watchdog_us;
    if (d->tick_khz == 0) {
        snprintf(error, room, "the clocks have no common tick above 10^15 a second");
        tn__sim_free(d);
        return NULL;
    }
    d->bytes_per_tick = (double)profile->dma_bytes_per_s / ((double)d->tick_khz * 1000.0);
    for (uint32_t i = 0; i < TN_K_SYS_ENGINES; i++)
        d->engine[i].ticks_per_cycle =
            d->tick_khz / (i >= TN_K_SYS_WEIGHTS  ? profile->array_khz
                           : i == TN_K_SYS_VECTOR ? profile->vector_khz
                                                  : profile->control_khz);
    pieces_of(d, list);
    for (int i = 0; list[i].at != NULL; i++) {
        *list[i].at = allocator->alloc(allocator->self, list[i].bytes, 64);
        if (*list[i].at == NULL) {
            tn__sim_free(d);
            return NULL;
        }
        memset(*list[i].at, 0, list[i].bytes);
    }
    d->plane_n = d->plane_k + (size_t)profile->arrays * profile->planes;
    d->plane_type = d->plane_n + (size_t)profile->arrays * profile->planes;
    reset(d);
    if (options->faults != NULL && !tn__sim_fault_read(d, options->faults, error, room)) {
        tn__sim_free(d);
        return NULL;
    }
    for (uint32_t i = 0; i < d->faults; i++) /* never there at all */
        d->gone = d->gone || (d->fault[i].kind == SIM_FAULT_GONE && d->fault[i].nth == 0);
    return d;
}

void tn__sim_free(sim_dev *d)
{
    piece list[PIECES];
    if (d == NULL)
        return;
    tn_allocator a = d->allocator;
    pieces_of(d, list);
    for (int i = 0; list[i].at != NULL; i++)
        if (*list[i].at != NULL)
            a.free(a.self, *list[i].at, list[i].bytes);
    a.free(a.self, d, sizeof *d);
}

/* ---- snapshots: the struct, then every piece of memory ---- */

size_t tn__sim_snapshot_bytes(const sim_dev *d)
{
    piece list[PIECES];
    size_t bytes = sizeof *d;
    pieces_of((sim_dev *)(uintptr_t)d, list);
    for (int i = 0; list[i].at != NULL; i++)
        bytes += list[i].bytes;
    return bytes;
}

void tn__sim_snapshot(const sim_dev *d, void *out)
{
    piece list[PIECES];
    unsigned char *to = out;
    memcpy(to, d, sizeof *d);
    to += sizeof *d;
    pieces_of((sim_dev *)(uintptr_t)d, list);
    for (int i = 0; list[i].at != NULL; to += list[i++].bytes)
        memcpy(to, *list[i].at, list[i].bytes);
}

bool tn__sim_restore(sim_dev *d, const void *from, size_t bytes)
{
    const unsigned char *at = from;
    piece list[PIECES];
    sim_dev now = *d;
    if (bytes != tn__sim_snapshot_bytes(d) ||
        memcmp(&((const sim_dev *)from)->profile, &d->profile, sizeof d->profile) != 0 ||
        ((const sim_dev *)from)->timing != d->timing ||
        ((const sim_dev *)from)->protect != d->protect)
        return false;
    memcpy(d, from, sizeof *d);
    /* What belongs to this chip and its process. */
    d->allocator = now.allocator;
    d->env = now.env;
    d->math = now.math;
    d->retired = now.retired;
    d->retired_self = now.retired_self;
    d->retired_crc = now.retired_crc;
    pieces_of(&now, list);
    at += sizeof *d;
    d->spad = now.spad;
    d->acc = now.acc;
    d->spad_written = now.spad_written;
    d->acc_written = now.acc_written;
    d->plane = now.plane;
    d->plane_k = now.plane_k;
    d->plane_n = now.plane_n;
    d->plane_type = now.plane_type;
    d->sums = now.sums;
    d->again = now.again;
    d->part = now.part;
    d->wide = now.wide;
    d->row = now.row;
    for (int i = 0; list[i].at != NULL; at += list[i++].bytes)
        memcpy(*list[i].at, at, list[i].bytes);
    return true;
}

uint64_t tn__sim_now_ns(const sim_dev *d)
{
    return (uint64_t)((unsigned __int128)d->now * 1000000u / d->tick_khz);
}

uint64_t tn__sim_tick_khz(const sim_dev *d)
{
    return d->tick_khz;
}

void tn__sim_trace(sim_dev *d, void (*fn)(void *self, const sim_retired *), void *self, bool crc)
{
    d->retired = fn;
    d->retired_self = self;
    d->retired_crc = crc;
}

uint64_t tn__sim_count(sim_dev *d, uint32_t counter)
{
    if (counter >= TPU_COUNTS)
        return 0;
    if (d->frozen)
        return d->frozen_count[counter];
    if (counter >= TPU_COUNT_ENGINES) {
        const sim_engine *e = &d->engine[(counter - TPU_COUNT_ENGINES) / 4];
        uint32_t state = (counter - TPU_COUNT_ENGINES) % 4;
        return e->time[state] + (e->state == state ? d->now - e->since : 0);
    }
    if (counter == TPU_COUNT_CYCLES)
        return (d->now - d->cleared) / d->engine[TN_K_SYS_WEIGHTS].ticks_per_cycle;
    if (counter == TPU_COUNT_NS)
        return (uint64_t)((unsigned __int128)(d->now - d->cleared) * 1000000u / d->tick_khz);
    return d->count[counter];
}

static void control_counters(sim_dev *d, uint32_t value)
{
    if (value & 1u) {
        memset(d->count, 0, sizeof d->count);
        for (uint32_t i = 0; i < TN_K_SYS_ENGINES; i++) {
            memset(d->engine[i].time, 0, sizeof d->engine[i].time);
            d->engine[i].since = d->now;
        }
        d->cleared = d->now;
    }
    if (value & 2u) {
        d->frozen = false;
        for (uint32_t i = 0; i < TPU_COUNTS; i++)
            d->frozen_count[i] = tn__sim_count(d, i);
        d->frozen = true;
    }
    if (value & 4u)
        d->frozen = false;
}

static uint32_t status(const sim_dev *d)
{
    bool busy = d->flights != 0 || d->head != d->tail;
    for (uint32_t i = 0; i < TN_K_SYS_ENGINES; i++)
        busy = busy || d->engine[i].count != 0;
    return (busy ? TPU_STATUS_RUNNING : TPU_STATUS_IDLE) | (d->halted ? TPU_STATUS_HALTED : 0u) |
           (d->error != TPU_ERR_NONE ? TPU_STATUS_ERROR : 0u) |
           (d->throttle != 256 ? TPU_STATUS_THROTTLED : 0u) |
           (d->stopped ? TPU_STATUS_STOPPED : 0u);
}

static uint32_t debug_read(sim_dev *d, uint32_t offset)
{
    const unsigned char *from = d->dbg_space == 0   ? d->spad
                                : d->dbg_space == 1 ? d->acc
                                                    : (const unsigned char *)d->plane;
    uint64_t bytes = d->dbg_space == 0   ? (uint64_t)d->spad_rows * d->profile.row_bytes
                     : d->dbg_space == 1 ? (uint64_t)d->acc_rows * d->acc_row_bytes
                                         : (uint64_t)d->profile.arrays * d->profile.planes *
                                               d->profile.rows * d->cols_padded * 4;
    uint32_t word = 0;
    const sim_engine *e = &d->engine[d->dbg_engine % TN_K_SYS_ENGINES];
    const tn_k_sys_packet *p = &e->fifo[e->head].p;
    switch (offset) {
    case TPU_DBG_DATA:
        if ((uint64_t)d->dbg_addr + 4 <= bytes)
            memcpy(&word, from + d->dbg_addr, 4);
        d->dbg_addr += 4;
        return word;
    case TPU_DBG_WAITS:
        return e->count == 0 ? e->state
                             : e->state | (uint32_t)p->wait_sem << 8 | (uint32_t)p->wait_val << 16;
    case TPU_DBG_OP:
        return e->count == 0 ? 0 : p->op | (uint32_t)p->tag << 16;
    case TPU_DBG_BREAK:
        return d->dbg_break;
    default:
        return offset == TPU_DBG_ADDR ? d->dbg_addr : d->dbg_space;
    }
}

static uint32_t capability(const sim_dev *d, uint32_t offset)
{
    const sim_profile *p = &d->profile;
    switch (offset) {
    case TPU_ID:
        return TPU_MAGIC;
    case TPU_VERSION:
        return (uint32_t)TPU_ISA << 16;
    case TPU_CAP_ROWS:
        return p->rows;
    case TPU_CAP_COLS:
        return p->cols;
    case TPU_CAP_ARRAYS:
        return p->arrays | p->planes << 8;
    case TPU_CAP_LANES:
        return p->lanes;
    case TPU_CAP_TYPES:
        return p->types;
    case TPU_CAP_FLAGS:
        return p->flags;
    case TPU_CAP_SPAD_KIB:
        return p->spad_kib;
    case TPU_CAP_ACC_KIB:
        return p->acc_kib;
    case TPU_CAP_ROW_BYTES:
        return p->row_bytes;
    case TPU_CAP_QUEUES:
        return p->queue_depth | p->semaphores << 8 | (uint32_t)RING_LOG2_MOST << 16;
    case TPU_CAP_CLOCK_KHZ:
        return (uint32_t)p->array_khz;
    case TPU_CAP_NUMERICS:
        return p->numerics;
    case TPU_CAP_ERRATA:
        return p->errata;
    default:
        return d->protect;
    }
}

/* The window: one page of the memory that the chip reaches. */
static unsigned char *window(sim_dev *d, uint32_t offset)
{
    return d->env.map(d->env.self, d->window + (offset - TPU_WINDOW), 4);
}

uint32_t tn__sim_read(sim_dev *d, uint32_t offset)
{
    uint32_t word = 0;
    if (d->gone || offset % 4 != 0 || offset >= TPU_BYTES)
        return UINT32_MAX;
    if (offset <= TPU_CAP_PROTECT)
        return capability(d, offset);
    if (offset >= TPU_WINDOW) {
        const unsigned char *at = window(d, offset);
        if (at == NULL)
            return UINT32_MAX;
        memcpy(&word, at, 4);
        return word;
    }
    if (offset >= TPU_SEM && offset < TPU_SEM + 4 * SIM_SEMAPHORES)
        return d->semaphore[(offset - TPU_SEM) / 4];
    if (offset >= TPU_PMU && offset < TPU_PMU + 8 * TPU_COUNTS)
        return (uint32_t)(tn__sim_count(d, (offset - TPU_PMU) / 8) >> (offset % 8 != 0 ? 32 : 0));
    if (offset >= TPU_DBG_SPACE && offset <= TPU_DBG_BREAK)
        return debug_read(d, offset);
    if (offset >= TPU_SCRATCH && offset < TPU_SCRATCH + 16)
        return d->scratch[(offset - TPU_SCRATCH) / 4];
    switch (offset) {
    case TPU_FUSE_MASK: {
        uint32_t i = d->fuse_select % (SIM_COLUMNS_MOST / 32);
        return (uint32_t)((d->profile.dead_columns[i / 2] | d->fuse[i / 2]) >> (i % 2 * 32));
    }
    case TPU_FUSE_SELECT:
        return d->fuse_select;
    case TPU_SERIAL:
        return tpu_crc32(0, d->profile.name, strlen(d->profile.name));
    case TPU_STATUS:
        return status(d);
    case TPU_ERR_CODE:
        return d->error;
    case TPU_ERR_INFO:
        return d->error_info;
    case TPU_ERR_ADDR_LO:
        return (uint32_t)d->error_addr;
    case TPU_ERR_ADDR_HI:
        return (uint32_t)(d->error_addr >> 32);
    case TPU_ERR_SEQ:
        return d->error_seq;
    case TPU_TEMP: /* milli-degrees, by how far the clock had to come down */
        return 40000 + (256 - d->throttle) * 240;
    case TPU_THROTTLE:
        return d->throttle;
    case TPU_CLK_ACT:
        return (uint32_t)(d->profile.array_khz * d->throttle / 256);
    case TPU_IRQ_RAW:
        return d->irq_raw;
    case TPU_IRQ_STATUS:
        return d->irq_status;
    case TPU_IRQ_MASK:
        return d->irq_mask;
    case TPU_RING_LOG2:
        return d->ring_log2;
    case TPU_HEAD:
        return d->head;
    case TPU_TAIL:
        return d->tail;
    case TPU_WDOG_US:
        return d->wdog_us;
    case TPU_CAP_TABLE:
        return d->profile.segments;
    default:
        return 0;
    }
}

static void low(uint64_t *to, uint32_t value)
{
    *to = (*to & ~UINT64_C(0xffffffff)) | value;
}

static void high(uint64_t *to, uint32_t value)
{
    *to = (*to & UINT64_C(0xffffffff)) | (uint64_t)value << 32;
}

void tn__sim_write(sim_dev *d, uint32_t offset, uint32_t value)
{
    if (d->gone || offset % 4 != 0 || offset >= TPU_BYTES)
        return;
    if (offset >= TPU_WINDOW) {
        unsigned char *at = window(d, offset);
        if (at != NULL)
            memcpy(at, &value, 4);
        return;
    }
    if (offset >= TPU_SEM && offset < TPU_SEM + 4 * SIM_SEMAPHORES) {
        d->semaphore[(offset - TPU_SEM) / 4] = (uint16_t)value;
        tn__sim_doorbell(d);
        return;
    }
    if (offset >= TPU_SCRATCH && offset < TPU_SCRATCH + 16) {
        d->scratch[(offset - TPU_SCRATCH) / 4] = value;
        return;
    }
    switch (offset) {
    case TPU_FUSE_SELECT:
        d->fuse_select = value;
        break;
    case TPU_FUSE_MASK: {
        uint32_t i = d->fuse_select % (SIM_COLUMNS_MOST / 32);
        d->fuse[i / 2] |= (uint64_t)value << (i % 2 * 32);
        break;
    }
    case TPU_CTRL:
        if (value & TPU_CTRL_RESET)
            reset(d);
        d->halted = (value & TPU_CTRL_HALT) != 0;
        if (d->stopped && d->head == d->dbg_break)
            d->dbg_break = UINT32_MAX; /* it goes on from here */
        d->stopped = (value & TPU_CTRL_STEP) != 0;
        d->steps = d->stopped;
        tn__sim_doorbell(d);
        break;
    case TPU_IRQ_STATUS:
        d->irq_status &= ~value;
        d->irq_raw &= ~value;
        break;
    case TPU_IRQ_MASK:
        d->irq_mask = value;
        break;
    case TPU_WIN_LO:
        low(&d->window, value);
        break;
    case TPU_WIN_HI:
        high(&d->window, value);
        break;
    case TPU_RING_LO:
        low(&d->ring, value);
        break;
    case TPU_RING_HI:
        high(&d->ring, value);
        break;
    case TPU_RING_LOG2:
        d->ring_log2 = value > RING_LOG2_MOST ? 0 : value;
        break;
    case TPU_TAIL:
        if (tn__sim_fault_rings(d))
            break;
        d->tail = value;
        tn__sim_doorbell(d);
        break;
    case TPU_FENCE_LO:
        low(&d->fence, value);
        break;
    case TPU_FENCE_HI:
        high(&d->fence, value);
        break;
    case TPU_WDOG_US:
        d->wdog_us = value;
        break;
    case TPU_PMU_CTRL:
        control_counters(d, value);
        break;
    case TPU_DBG_SPACE:
        d->dbg_space = value;
        break;
    case TPU_DBG_ADDR:
        d->dbg_addr = value;
        break;
    case TPU_DBG_ENGINE:
        d->dbg_engine = value;
        break;
    case TPU_DBG_BREAK:
        d->dbg_break = value;
        break;
    default:
        break;
    }
}
