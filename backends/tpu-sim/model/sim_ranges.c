/* SPDX-License-Identifier: Apache-2.0 */
/* What a packet touches: its engine, its rows on the chip, and whether they are there. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

uint32_t tn__sim_engine_of(const tn_k_sys_packet *p)
{
    switch (p->op) {
    case TN_K_SYS_NOP:
        return p->d;
    case TN_K_SYS_FENCE:
    case TN_K_SYS_HALT:
        return TN_K_SYS_SYNC;
    case TN_K_SYS_LD:
    case TN_K_SYS_GTH:
    case TN_K_SYS_FILL:
        return TN_K_SYS_DMA_IN;
    case TN_K_SYS_ST:
        return TN_K_SYS_DMA_OUT;
    case TN_K_SYS_LDW:
        return p->d < TN_K_SYS_ARRAYS_MOST ? TN_K_SYS_WEIGHTS + 2 * p->d : TN_K_SYS_ENGINES;
    case TN_K_SYS_MM:
        return p->d < TN_K_SYS_ARRAYS_MOST ? TN_K_SYS_ARRAY + 2 * p->d : TN_K_SYS_ENGINES;
    case TN_K_SYS_MAP:
    case TN_K_SYS_RED:
    case TN_K_SYS_BLK:
    case TN_K_SYS_MRG:
    case TN_K_SYS_IOT:
        return TN_K_SYS_VECTOR;
    default:
        return TN_K_SYS_ENGINES;
    }
}

uint64_t tn__sim_type_bytes(uint32_t type)
{
    return tn_k_elem_bytes(type);
}

uint32_t tn__sim_rows_of(const sim_dev *d, uint32_t at, uint64_t bytes)
{
    uint64_t row = at & TN_K_SYS_ACC ? d->acc_row_bytes : d->profile.row_bytes;
    uint64_t rows = (bytes + row - 1) / row;
    return rows > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)rows;
}

unsigned char *tn__sim_row(sim_dev *d, uint32_t at)
{
    return at & TN_K_SYS_ACC ? d->acc + (size_t)(at & ~TN_K_SYS_ACC) * d->acc_row_bytes
                             : d->spad + (size_t)at * d->profile.row_bytes;
}

typedef struct list {
    const sim_dev *d;
    sim_range *out;
    uint32_t count, error;
} list;

static void add(list *l, uint32_t at, uint64_t rows, bool write)
{
    bool acc = (at & TN_K_SYS_ACC) != 0;
    uint64_t first = at & ~TN_K_SYS_ACC, most = acc ? l->d->acc_rows : l->d->spad_rows;
    if (rows == 0)
        return;
    if (first + rows > most)
        l->error = TPU_ERR_RANGE;
    else
        l->out[l->count++] = (sim_range){(uint32_t)first, (uint32_t)(first + rows), acc, write};
}

/* count times `each` rows, which may leave 64 bits */
static void add_product(list *l, uint32_t at, uint64_t count, uint64_t each, bool write)
{
    uint64_t rows;
    if (__builtin_mul_overflow(count, each, &rows) || rows > UINT32_MAX)
        l->error = TPU_ERR_RANGE;
    else
        add(l, at, rows, write);
}

/* rows tiles of `bytes` each, one behind another */
static void add_tile(list *l, uint32_t at, uint64_t rows, uint64_t bytes, bool write)
{
    add_product(l, at, rows, tn__sim_rows_of(l->d, at, bytes), write);
}

/* rows tiles of `bytes` each, `pitch` rows apart; 0: one behind another */
static void add_pitched(list *l, uint32_t at, uint64_t rows, uint64_t bytes, uint64_t pitch,
                        bool write)
{
    uint64_t each = tn__sim_rows_of(l->d, at, bytes);
    if (pitch == 0 || rows == 0)
        add_product(l, at, rows, each, write);
    else
        add(l, at, (rows - 1) * pitch + each, write);
}

static void add_operand(list *l, const tn_k_sys_packet *p, uint32_t at, uint32_t mode,
                        uint32_t type)
{
    uint64_t size = tn__sim_type_bytes(type);
    if (type == 0)
        return; /* the operand is not there */
    if (size == 0) {
        l->error = TPU_ERR_TYPE;
        return;
    }
    if (mode == TN_K_SYS_FULL)
        add_tile(l, at, p->n0, p->n1 * size, false);
    else
        add_tile(l, at, 1,
                 size * (mode == TN_K_SYS_PER_COLUMN ? p->n1
                         : mode == TN_K_SYS_PER_ROW  ? p->n0
                                                     : 1),
                 false);
}

static void array_ranges(list *l, const tn_k_sys_packet *p)
{
    const sim_profile *chip = &l->d->profile;
    uint64_t size = tn__sim_type_bytes(p->p1 & 0xffu), rows = p->n0;
    if ((chip->types >> (p->p1 & 31u) & 1u) == 0 || p->p1 > 31u)
        l->error = TPU_ERR_TYPE;
    else if (p->b >= chip->planes || p->d >= chip->arrays || p->s0 < 0 || p->s1 < 0)
        l->error = TPU_ERR_PACKET;
    else if (p->op == TN_K_SYS_LDW) {
        bool turned = (p->flags & TN_K_SYS_TRANSPOSE) != 0;
        uint64_t high = turned ? p->n1 : p->n0, wide = turned ? p->n0 : p->n1;
        if (p->n0 > chip->rows || p->n1 > l->d->columns || p->n0 == 0 || p->n1 == 0 ||
            (turned && (chip->flags & TN_K_SYS_LDW_TRANSPOSES) == 0))
            l->error = TPU_ERR_PACKET;
        else
            add(l, p->a, (high - 1) * (uint64_t)p->s0 + tn__sim_rows_of(l->d, p->a, wide * size),
                false);
    } else {
        uint64_t k = l->d->plane_k[p->d * chip->planes + p->b], inner = p->n1 != 0 ? p->n1 : rows;
        if (rows == 0 || (p->c & TN_K_SYS_ACC) == 0) {
            l->error = TPU_ERR_PACKET;
            return;
        }
        uint64_t outer = (rows - 1) / inner, last = inner < rows ? inner : rows;
        add(l, p->a,
            outer * (uint64_t)p->s1 + (last - 1) * (uint64_t)p->s0 +
                tn__sim_rows_of(l->d, p->a, k * size),
            false);
        add(l, p->c, rows, true);
    }
}

uint32_t tn__sim_ranges_of(const sim_dev *d, const tn_k_sys_packet *p, sim_range *out,
                           uint32_t *out_count)
{
    list l = {.d = d, .out = out};
    uint32_t ta = p->n2 & 0xffu, tb = p->n2 >> 8 & 0xffu, td = p->n2 >> 16 & 0xffu;
    uint32_t tc = p->n2 >> 24, modes = (uint32_t)p->s0 >> 16;
    uint64_t pitch, f32 = (uint64_t)p->n1 * 4;
    if (tn__sim_engine_of(p) == TN_K_SYS_VECTOR && p->op != TN_K_SYS_NOP &&
        (p->n0 == 0 || p->n1 == 0))
        return TPU_ERR_PACKET;
    switch (p->op) {
    case TN_K_SYS_LD:
    case TN_K_SYS_ST:
        pitch = p->b != 0 ? p->b : tn__sim_rows_of(d, p->a, (uint64_t)p->c + p->n1);
        if (p->n0 == 0 || p->n1 == 0 || p->n2 == 0 ||
            ((p->flags & TN_K_SYS_STRIDED) != 0 &&
             (p->n2 != 1 || p->p0 == 0 || p->p0 > 8 || p->n1 % p->p0 != 0)))
            l.error = TPU_ERR_PACKET;
        else if (pitch < tn__sim_rows_of(d, p->a, (uint64_t)p->c + p->n1))
            l.error = TPU_ERR_RANGE;
        else
            add_product(&l, p->a, (uint64_t)p->n0 * p->n2, pitch, p->op == TN_K_SYS_LD);
        break;
    case TN_K_SYS_GTH:
        add_tile(&l, p->b, 1, (uint64_t)p->n0 * p->p0, false);
        add_tile(&l, p->a, p->n0, p->n1, true);
        if (p->n0 == 0 || p->n1 == 0 || (p->p0 != 4 && p->p0 != 8))
            l.error = TPU_ERR_PACKET;
        break;
    case TN_K_SYS_FILL:
        add(&l, p->a, p->n0, true);
        break;
    case TN_K_SYS_LDW:
    case TN_K_SYS_MM:
        array_ranges(&l, p);
        break;
    case TN_K_SYS_MAP:
        if (p->iova != 0 && (modes & 15u) == TN_K_SYS_FULL)
            add_pitched(&l, p->a, p->n0, (p->iova >> 32 & 0xffffu) + p->n1 * tn__sim_type_bytes(ta),
                        p->iova & 0xffffu, false);
        else
            add_operand(&l, p, p->a, modes & 15u, ta);
        add_operand(&l, p, p->b, modes >> 4 & 15u, tb);
        add_operand(&l, p, p->d, modes >> 8 & 15u, td);
        add_pitched(&l, p->c, p->n0, (p->iova >> 48) + p->n1 * tn__sim_type_bytes(tc),
                    p->iova >> 16 & 0xffffu, true);
        if (ta == 0 || tc == 0 || tn__sim_type_bytes(ta) == 0 || tn__sim_type_bytes(tc) == 0)
            l.error = TPU_ERR_TYPE;
        else if ((p->iova >> 32 & 0xffffu) % tn__sim_type_bytes(ta) != 0 ||
                 (p->iova >> 48) % tn__sim_type_bytes(tc) != 0)
            l.error = TPU_ERR_PACKET;
        break;
    case TN_K_SYS_IOT:
        add_tile(&l, p->c, p->n0, f32, true);
        break;
    case TN_K_SYS_RED:
        add_operand(&l, p, p->a, TN_K_SYS_FULL, ta);
        add_tile(&l, p->c, 1, (uint64_t)p->n0 * 4, true);
        if (ta == 0)
            l.error = TPU_ERR_TYPE;
        break;
    case TN_K_SYS_BLK:
        if ((d->profile.flags & (TN_K_SYS_MATH | TN_K_SYS_TABLES)) == 0 || p->n1 > TN_K_SYS_BLOCK) {
            l.error = TPU_ERR_PACKET;
            break;
        }
        add_tile(&l, p->a, p->n0, f32, false);
        if (tb != 0)
            add_tile(&l, p->b, p->n0, p->n1, false);
        add_tile(&l, p->c, p->n0, p->n1 * tn__sim_type_bytes(tc), true);
        add_tile(&l, p->d, 2, (uint64_t)p->n0 * 4, true);
        break;
    case TN_K_SYS_MRG:
        if ((d->profile.flags & (TN_K_SYS_MATH | TN_K_SYS_TABLES)) == 0) {
            l.error = TPU_ERR_PACKET;
            break;
        }
        add_tile(&l, p->a, p->n0, f32, false);
        add_tile(&l, p->d, 2, (uint64_t)p->n0 * 4, false);
        add_tile(&l, p->b, 2, (uint64_t)p->n0 * 4, true);
        add_tile(&l, p->c, p->n0, f32, true);
        break;
    default:
        break;
    }
    *out_count = l.count;
    return l.error;
}
