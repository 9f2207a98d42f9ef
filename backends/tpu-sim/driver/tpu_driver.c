/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up, the ring, waiting, and what is done when the chip reports an error. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "tpu_driver.h"

#include <stdio.h>
#include <string.h>

enum { RING_LOG2 = 10, RING_BATCH = 128, SLICE_NS = 1000000, SLICES_MOST = 1 << 22 };
enum { IRQS = TPU_IRQ_DONE | TPU_IRQ_ERROR };

static uint32_t rd(tpu_chip *c, uint32_t offset)
{
    return c->bus.read32(c->bus.self, offset);
}

static void wr(tpu_chip *c, uint32_t offset, uint32_t value)
{
    c->bus.write32(c->bus.self, offset, value);
}

static bool gone(tpu_chip *c)
{
    return rd(c, TPU_ID) != TPU_MAGIC;
}

/* ---- bring-up ---- */

static uint32_t columns_alive(tpu_chip *c, uint32_t cols)
{
    uint32_t alive = 0;
    for (uint32_t word = 0; word * 32 < cols; word++) {
        wr(c, TPU_FUSE_SELECT, word);
        uint32_t dead = rd(c, TPU_FUSE_MASK);
        for (uint32_t b = 0; b < 32 && word * 32 + b < cols; b++)
            alive += (dead >> b & 1u) == 0;
    }
    return alive;
}

static void read_caps(tpu_chip *c)
{
    uint32_t arrays = rd(c, TPU_CAP_ARRAYS), queues = rd(c, TPU_CAP_QUEUES);
    uint32_t cols = rd(c, TPU_CAP_COLS);
    c->caps = (tn_k_sys_caps){.rows = rd(c, TPU_CAP_ROWS),
                              .cols = columns_alive(c, cols),
                              .arrays = arrays & 255u,
                              .planes = arrays >> 8 & 255u,
                              .row_bytes = rd(c, TPU_CAP_ROW_BYTES),
                              .acc_row_bytes = cols * 4,
                              .lanes = rd(c, TPU_CAP_LANES),
                              .semaphores = queues >> 8 & 255u,
                              .array_types = rd(c, TPU_CAP_TYPES),
                              .flags = rd(c, TPU_CAP_FLAGS)};
    c->caps.numerics = rd(c, TPU_CAP_NUMERICS);
    c->caps.segments = rd(c, TPU_CAP_TABLE);
    if (c->caps.row_bytes != 0)
        c->caps.spad_rows =
            (uint32_t)((uint64_t)rd(c, TPU_CAP_SPAD_KIB) * 1024 / c->caps.row_bytes);
    if (cols != 0)
        c->caps.acc_rows = (uint32_t)((uint64_t)rd(c, TPU_CAP_ACC_KIB) * 1024 / (cols * 4));
    c->errata = rd(c, TPU_CAP_ERRATA);
    c->protect = rd(c, TPU_CAP_PROTECT);
    c->clock_khz = rd(c, TPU_CAP_CLOCK_KHZ);
    c->ring_log2 = queues >> 16 < RING_LOG2 ? queues >> 16 : RING_LOG2;
}

static bool caps_make_sense(const tpu_chip *c)
{
    const tn_k_sys_caps *k = &c->caps;
    return k->rows != 0 && k->cols != 0 && k->arrays != 0 && k->planes != 0 &&
           k->arrays <= TN_K_SYS_ARRAYS_MOST && k->spad_rows != 0 && k->acc_rows != 0 &&
           c->ring_log2 >= 8 && c->clock_khz != 0;
}

static void set_up(tpu_chip *c)
{
    c->tail = c->rung = 0;
    wr(c, TPU_RING_LO, (uint32_t)c->ring_iova);
    wr(c, TPU_RING_HI, (uint32_t)(c->ring_iova >> 32));
    wr(c, TPU_RING_LOG2, c->ring_log2);
    wr(c, TPU_FENCE_LO, (uint32_t)c->fence_iova);
    wr(c, TPU_FENCE_HI, (uint32_t)(c->fence_iova >> 32));
    wr(c, TPU_IRQ_STATUS, UINT32_MAX);
    wr(c, TPU_IRQ_MASK, IRQS);
    wr(c, TPU_CTRL, TPU_CTRL_ENABLE);
    c->watchdog_us = rd(c, TPU_WDOG_US);
}

bool tn__tpu_open(tpu_chip *c, const tn_bus *bus, char *error, size_t room)
{
    memset(c, 0, sizeof *c);
    c->bus = *bus;
    uint32_t id = rd(c, TPU_ID), version = rd(c, TPU_VERSION);
    if (id != TPU_MAGIC || version >> 16 != TPU_ISA) {
        snprintf(error, room,
                 "the id is 0x%08x and the instruction set %u; 0x%08x and %u are known", id,
                 version >> 16, TPU_MAGIC, TPU_ISA);
        return false;
    }
    for (uint32_t i = 0; i < 4; i++)
        wr(c, TPU_SCRATCH + 4 * i, 0x5a5a0000u + i);
    for (uint32_t i = 0; i < 4; i++)
        if (rd(c, TPU_SCRATCH + 4 * i) != 0x5a5a0000u + i) {
            snprintf(error, room, "scratch register %u does not keep what is written", i);
            return false;
        }
    wr(c, TPU_CTRL, TPU_CTRL_RESET);
    read_caps(c);
    if (!caps_make_sense(c)) {
        snprintf(error, room,
                 "its capabilities make no sense: array of %u by %u, %u rows of "
                 "scratchpad, ring of 2^%u",
                 c->caps.rows, c->caps.cols, c->caps.spad_rows, c->ring_log2);
        return false;
    }
    void *fence = NULL;
    c->ring = bus->dma_alloc(bus->self, sizeof *c->ring << c->ring_log2, 64, &c->ring_iova);
    if (c->ring != NULL)
        fence = bus->dma_alloc(bus->self, 64, 64, &c->fence_iova);
    if (fence == NULL) {
        snprintf(error, room, "no memory that the chip reaches");
        tn__tpu_close(c);
        c->no_memory = true;
        return false;
    }
    memset(fence, 0, 64);
    bus->dma_sync(bus->self, fence, 64, 1);
    c->fence = fence;
    set_up(c);
    return true;
}

void tn__tpu_close(tpu_chip *c)
{
    if (c->ring != NULL)
        c->bus.dma_free(c->bus.self, c->ring);
    if (c->fence != NULL)
        c->bus.dma_free(c->bus.self, (void *)(uintptr_t)c->fence);
    c->ring = NULL;
    c->fence = NULL;
}

tpu_result tn__tpu_reset(tpu_chip *c)
{
    c->report.resets++;
    wr(c, TPU_CTRL, TPU_CTRL_RESET);
    if (gone(c))
        return TPU_GONE;
    read_caps(c);
    if (!caps_make_sense(c))
        return TPU_GONE;
    set_up(c);
    return TPU_OK;
}

/* ---- the ring ---- */

static void ring_the_bell(tpu_chip *c)
{
    uint32_t mask = (1u << c->ring_log2) - 1;
    for (uint32_t i = c->rung; i != c->tail;) { /* in one piece, or two where it wraps */
        uint32_t first = i & mask, count = c->tail - i;
        count = count < mask + 1 - first ? count : mask + 1 - first;
        c->bus.dma_sync(c->bus.self, c->ring + first, count * sizeof *c->ring, 1);
        i += count;
    }
    c->rung = c->tail;
    wr(c, TPU_TAIL, c->tail);
}

static tpu_result failure(tpu_chip *c)
{
    if (gone(c))
        return TPU_GONE;
    c->report.code = rd(c, TPU_ERR_CODE);
    c->report.info = rd(c, TPU_ERR_INFO);
    c->report.seq = rd(c, TPU_ERR_SEQ);
    c->report.addr = rd(c, TPU_ERR_ADDR_LO) | (uint64_t)rd(c, TPU_ERR_ADDR_HI) << 32;
    return TPU_FAILED;
}

typedef struct patience {
    uint32_t head, slices, still;
    uint64_t work;
} patience;

/* One slice of waiting. OK: look again. */
static tpu_result wait_slice(tpu_chip *c, patience *p)
{
    int32_t up = c->bus.wait(c->bus.self, IRQS, SLICE_NS);
    uint32_t irq = rd(c, TPU_IRQ_STATUS), status = rd(c, TPU_STATUS);
    if (status == UINT32_MAX && gone(c))
        return TPU_GONE;
    if (irq != 0)
        wr(c, TPU_IRQ_STATUS, irq);
    if (status & TPU_STATUS_ERROR) /* also where the interrupt of the error was lost */
        return failure(c);
    if (up != 0)
        return TPU_OK;
    if (rd(c, TPU_TAIL) != c->tail) { /* the chip never heard of the last packets */
        c->report.doorbells_again++;
        wr(c, TPU_TAIL, c->tail);
        return TPU_OK;
    }
    /* Progress is what the counters see; the chip's own watchdog should have barked before. */
    uint64_t work = tn__tpu_counter(c, TPU_COUNT_PACKETS) +
                    tn__tpu_counter(c, TPU_COUNT_READ_BYTES) + tn__tpu_counter(c, TPU_COUNT_MACS) +
                    tn__tpu_counter(c, TPU_COUNT_VECTOR);
    p->still = work == p->work ? p->still + 1 : 0;
    p->work = work;
    p->slices++;
    uint64_t patience_us = (uint64_t)p->still * (SLICE_NS / 1000);
    return patience_us > 2 * (uint64_t)c->watchdog_us + 100000 || p->slices > SLICES_MOST ? TPU_HUNG
                                                                                          : TPU_OK;
}

static tpu_result put(tpu_chip *c, const tn_k_sys_packet *packet)
{
    uint32_t size = 1u << c->ring_log2;
    patience p = {0};
    while (c->tail - rd(c, TPU_HEAD) >= size) {
        if (rd(c, TPU_ID) != TPU_MAGIC)
            return TPU_GONE;
        if (c->rung != c->tail)
            ring_the_bell(c);
        if (c->tail - rd(c, TPU_HEAD) < size)
            break;
        tpu_result r = wait_slice(c, &p);
        if (r != TPU_OK)
            return r;
    }
    tn_k_sys_packet *to = &c->ring[c->tail & (size - 1)];
    *to = *packet;
    c->tail++;
    /* Somebody who waits for room is woken by these. */
    if (c->tail % RING_BATCH == 0)
        to->flags |= TN_K_SYS_IRQ;
    to->crc = c->protect == 2 ? tpu_crc32(0, to, sizeof *to - 4) : 0;
    return TPU_OK;
}

tpu_result tn__tpu_push(tpu_chip *c, const tn_k_sys_packet *packet)
{
    /* Erratum 1: a multiplication of one row right behind another gives zeros. */
    if ((c->errata & 2u) != 0 && packet->op == TN_K_SYS_MM && packet->n0 == 1) {
        tn_k_sys_packet nop = {.op = TN_K_SYS_NOP,
                               .d = TN_K_SYS_ARRAY + 2 * packet->d,
                               .wait_sem = TN_K_SYS_NONE,
                               .sig_sem = TN_K_SYS_NONE};
        tpu_result r = put(c, &nop);
        if (r != TPU_OK)
            return r;
    }
    return put(c, packet);
}

tpu_result tn__tpu_finish(tpu_chip *c)
{
    uint64_t number = ++c->fence_next;
    tn_k_sys_packet fence = {.op = TN_K_SYS_FENCE,
                             .flags = TN_K_SYS_IRQ,
                             .wait_sem = TN_K_SYS_NONE,
                             .sig_sem = TN_K_SYS_NONE,
                             .iova = number};
    patience p = {0};
    tpu_result r = put(c, &fence);
    if (r != TPU_OK)
        return r;
    ring_the_bell(c);
    for (;;) {
        uint32_t still = p.slices;
        r = wait_slice(c, &p);
        c->bus.dma_sync(c->bus.self, (void *)(uintptr_t)c->fence, 8, 0);
        bool reached = *c->fence >= number;
        if (r != TPU_OK)
            return r;
        if (reached) {
            c->report.interrupts_lost += p.slices != still; /* nobody told, we looked */
            return TPU_OK;
        }
        if (gone(c))
            return TPU_GONE;
    }
}

uint64_t tn__tpu_counter(tpu_chip *c, uint32_t counter)
{
    for (;;) { /* the halves of one value */
        uint32_t high = rd(c, TPU_PMU + 8 * counter + 4), low = rd(c, TPU_PMU + 8 * counter);
        if (rd(c, TPU_PMU + 8 * counter + 4) == high)
            return (uint64_t)high << 32 | low;
    }
}

tpu_result tn__tpu_mask_column(tpu_chip *c, uint32_t column)
{
    wr(c, TPU_FUSE_SELECT, column / 32);
    wr(c, TPU_FUSE_MASK, 1u << column % 32);
    c->report.columns_masked++;
    return tn__tpu_reset(c);
}
