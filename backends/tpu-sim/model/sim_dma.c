/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers between host memory and the chip's rows. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <string.h>

uint64_t tn__sim_dma_bursts(const sim_dev *d, const tn_k_sys_packet *p)
{
    uint64_t burst = d->profile.dma_burst, bytes = 0, rows = p->n0, size = p->n1;
    if (p->op == TN_K_SYS_FILL)
        return 0;
    if (p->op == TN_K_SYS_GTH)
        return (uint64_t)p->n0 * ((p->n1 + burst - 1) / burst * burst);
    if ((p->flags & TN_K_SYS_STRIDED) != 0 && p->s0 == (int32_t)p->p0 && p->p0 != 0) {
        rows = p->n1 / p->p0; /* what is contiguous lies along the rows */
        size = (uint64_t)p->n0 * p->p0;
        for (uint64_t r = 0; r < rows; r++) {
            uint64_t at = (p->iova + r * (uint64_t)(int64_t)p->s1) % burst;
            bytes += (at + size + burst - 1) / burst * burst;
        }
        return bytes;
    }
    if ((p->flags & TN_K_SYS_STRIDED) != 0 && p->s1 != (int32_t)p->p0)
        return rows * (p->n1 / p->p0) * burst; /* a burst an element */
    if (p->s0 == (int32_t)p->n1 && (p->n2 == 1 || (uint64_t)p->s1 == rows * size))
        return (p->iova % burst + rows * p->n2 * size + burst - 1) / burst * burst;
    for (uint64_t plane = 0; plane < p->n2; plane++)
        for (uint64_t r = 0; r < rows; r++) {
            uint64_t at = p->iova + plane * (uint64_t)(int64_t)p->s1 + r * (uint64_t)(int64_t)p->s0;
            bytes += (at % burst + size + burst - 1) / burst * burst;
        }
    return bytes;
}

/* The host's bytes from the lowest to the highest that a packet names; NULL: not all are there. */
static unsigned char *host_range(sim_dev *d, const tn_k_sys_packet *p)
{
    int64_t low = 0, high, s0 = p->s0, s1 = p->s1;
    bool strided = (p->flags & TN_K_SYS_STRIDED) != 0;
    int64_t outer = (int64_t)p->n0 - 1;
    int64_t other = strided ? (int64_t)(p->n1 / p->p0) - 1 : (int64_t)p->n2 - 1;
    int64_t end = strided ? (int64_t)p->p0 : (int64_t)p->n1;
    high = (s0 > 0 ? outer * s0 : 0) + (s1 > 0 ? other * s1 : 0) + end;
    low = (s0 < 0 ? outer * s0 : 0) + (s1 < 0 ? other * s1 : 0);
    unsigned char *at = d->env.map(d->env.self, p->iova + (uint64_t)low, (uint64_t)(high - low));
    return at != NULL ? at - low : NULL;
}

static void move(unsigned char *to, const unsigned char *from, uint64_t bytes, bool in)
{
    if (in)
        memcpy(to, from, bytes);
    else
        memcpy((unsigned char *)(uintptr_t)from, to, bytes);
}

/* One element after another; sizes that occur are constants to the compiler. */
static void move_strided(unsigned char *chip, unsigned char *host, uint64_t n, int64_t stride,
                         uint32_t size, bool in)
{
    for (uint64_t i = 0; i < n; i++, host += stride, chip += size)
        switch (size) {
        case 1:
            move(chip, host, 1, in);
            break;
        case 2:
            move(chip, host, 2, in);
            break;
        case 4:
            move(chip, host, 4, in);
            break;
        default:
            move(chip, host, size, in);
            break;
        }
}

static void flip(unsigned char *at, uint64_t bytes, uint64_t bit)
{
    bit %= bytes * 8;
    at[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

/* Rows by index; each is a transfer of its own on the bus. */
static uint32_t gather(sim_dev *d, const tn_k_sys_packet *p)
{
    const unsigned char *index = tn__sim_row(d, p->b);
    uint64_t pitch = (uint64_t)tn__sim_rows_of(d, p->a, p->n1) *
                     (p->a & TN_K_SYS_ACC ? d->acc_row_bytes : d->profile.row_bytes);
    unsigned char *to = tn__sim_row(d, p->a);
    for (uint32_t r = 0; r < p->n0; r++, to += pitch) {
        int64_t at;
        if (p->p0 == 8) {
            memcpy(&at, index + 8 * (size_t)r, 8);
        } else {
            int32_t narrow;
            memcpy(&narrow, index + 4 * (size_t)r, 4);
            at = narrow;
        }
        at += at < 0 ? (int64_t)p->n2 : 0;
        if (at < 0 || at >= (int64_t)p->n2) {
            memset(to, 0, p->n1);
            continue;
        }
        const unsigned char *from =
            d->env.map(d->env.self, p->iova + (uint64_t)(at * p->s0), p->n1);
        if (from == NULL)
            return TPU_ERR_BUS;
        memcpy(to, from, p->n1);
    }
    d->count[TPU_COUNT_TRANSFERS]++;
    d->count[TPU_COUNT_READ_BYTES] += (uint64_t)p->n0 * p->n1;
    d->count[TPU_COUNT_READ_BURSTS] += tn__sim_dma_bursts(d, p);
    return TPU_ERR_NONE;
}

uint32_t tn__sim_dma(sim_dev *d, sim_flight *f, uint32_t *out_crc)
{
    const tn_k_sys_packet *p = &f->c.p;
    bool in = p->op == TN_K_SYS_LD, strided = (p->flags & TN_K_SYS_STRIDED) != 0;
    uint64_t row_bytes = p->a & TN_K_SYS_ACC ? d->acc_row_bytes : d->profile.row_bytes;
    unsigned char *chip = tn__sim_row(d, p->a);
    if (p->op == TN_K_SYS_FILL) {
        for (uint64_t i = 0; i + 4 <= p->n0 * row_bytes; i += 4)
            memcpy(chip + i, &p->p0, 4);
        return TPU_ERR_NONE;
    }
    if (p->op == TN_K_SYS_GTH)
        return gather(d, p);
    const sim_fault *wrong = tn__sim_fault_moves(d);
    unsigned char *host = host_range(d, p);
    if (host == NULL || (wrong != NULL && wrong->kind == SIM_FAULT_DMA_ERROR))
        return TPU_ERR_BUS;
    /* A protected transfer carries its own CRC: what is not complete or not equal is found. */
    if (wrong != NULL && wrong->kind != SIM_FAULT_DMA_DELAY && d->protect == SIM_PROTECT_FULL)
        return TPU_ERR_CRC;
    uint64_t pitch =
        (p->b != 0 ? p->b : tn__sim_rows_of(d, p->a, (uint64_t)p->c + p->n1)) * row_bytes;
    uint64_t rows = (uint64_t)p->n0 * p->n2, bytes = p->n1;
    chip += p->c;
    for (uint64_t r = 0; r < rows; r++, chip += pitch) {
        int64_t plane = (int64_t)(r / p->n0), row = (int64_t)(r % p->n0);
        unsigned char *at = host + row * p->s0 + (strided ? 0 : plane * p->s1);
        bool last = r + 1 == rows;
        uint64_t n = bytes - (last && wrong != NULL && wrong->kind == SIM_FAULT_DMA_SHORT ? 1 : 0);
        if (strided)
            move_strided(chip, at, n / p->p0, p->s1, p->p0, in);
        else
            move(chip, at, n, in);
        if (last && wrong != NULL && wrong->kind == SIM_FAULT_DMA_WRONG)
            flip(in ? chip : at, strided ? p->p0 : bytes, wrong->a);
        if (d->retired_crc && !in)
            *out_crc = tpu_crc32(*out_crc, strided ? chip : at, bytes);
    }
    d->count[TPU_COUNT_TRANSFERS]++;
    d->count[in ? TPU_COUNT_READ_BYTES : TPU_COUNT_WRITE_BYTES] += rows * bytes;
    d->count[in ? TPU_COUNT_READ_BURSTS : TPU_COUNT_WRITE_BURSTS] += tn__sim_dma_bursts(d, p);
    return TPU_ERR_NONE;
}
