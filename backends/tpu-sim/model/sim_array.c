/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix array: weights into a plane, rows through it, sums into accumulator rows. A column
 * starts a tile at +0 and the accumulators add the tile's sum, so a canonical dot is a tile of 128
 * rows. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <kernels/common/widen.h>
#include <string.h>

static float *plane_of(sim_dev *d, const tn_k_sys_packet *p, uint32_t *out_index)
{
    uint32_t index = p->d * d->profile.planes + p->b;
    *out_index = index;
    return d->plane + (size_t)index * d->profile.rows * d->cols_padded;
}

static bool integer(uint32_t type)
{
    return type == TN_S8 || type == TN_U8;
}

/* Elements of one row as f32, exactly. */
static void widen(uint32_t type, const unsigned char *from, uint64_t n, float *to)
{
    if (type == TN_S8)
        for (uint64_t i = 0; i < n; i++)
            to[i] = (float)(int8_t)from[i];
    else if (type == TN_U8)
        for (uint64_t i = 0; i < n; i++)
            to[i] = (float)from[i];
    else
        tn_k_widen_row(type, from, 0, 1, (int64_t)n, to);
}

uint32_t tn__sim_load_weights(sim_dev *d, const tn_k_sys_packet *p)
{
    uint32_t index;
    float *w = plane_of(d, p, &index);
    uint64_t row = p->a & TN_K_SYS_ACC ? d->acc_row_bytes : d->profile.row_bytes;
    uint64_t pitch = (uint64_t)p->s0 * row;
    const unsigned char *from = tn__sim_row(d, p->a);
    if (p->flags & TN_K_SYS_TRANSPOSE) {
        for (uint32_t c = 0; c < p->n1; c++) {
            widen(p->p1, from + c * pitch, p->n0, d->wide);
            for (uint32_t k = 0; k < p->n0; k++)
                w[(size_t)k * d->cols_padded + c] = d->wide[k];
        }
        for (uint32_t k = 0; k < p->n0; k++)
            memset(w + (size_t)k * d->cols_padded + p->n1, 0, (d->cols_padded - p->n1) * sizeof *w);
    } else {
        for (uint32_t k = 0; k < p->n0; k++) {
            float *to = w + (size_t)k * d->cols_padded;
            widen(p->p1, from + k * pitch, p->n1, to);
            memset(to + p->n1, 0, (d->cols_padded - p->n1) * sizeof *to);
        }
    }
    d->plane_k[index] = p->n0;
    d->plane_n[index] = p->n1;
    d->plane_type[index] = p->p1;
    return TPU_ERR_NONE;
}

/* A bit that is stuck in the word of a float or of an integer. */
static float stick(float x, uint64_t bit, uint64_t value)
{
    uint32_t u = tn_c_bits(x), mask = 1u << (bit & 31u);
    return tn_c_float(value != 0 ? u | mask : u & ~mask);
}

/* One column, element by element, through the element that is broken; below the tile the array
 * holds zeros, and what is stuck there adds to the sums, too. */
static float broken_float(const sim_fault *x, const float *a, const float *w, uint32_t ldw,
                          uint32_t k, uint32_t high)
{
    float s = 0.0f;
    for (uint32_t i = 0; i < high; i++) {
        bool here = i == x->a;
        float weight = i < k ? w[(size_t)i * ldw] : 0.0f, in = i < k ? a[i] : 0.0f;
        if (here && x->kind == SIM_FAULT_STUCK_WEIGHT)
            weight = stick(weight, x->c, x->d);
        if (here && x->kind == SIM_FAULT_STUCK)
            s = s + stick(in * weight, x->c, x->d);
        else
            s = __builtin_fmaf(in, weight, s);
        if (here && x->kind == SIM_FAULT_STUCK_SUM)
            s = stick(s, x->c, x->d);
    }
    return s;
}

static uint32_t stick_word(uint32_t u, const sim_fault *x)
{
    uint32_t mask = 1u << (x->c & 31u);
    return x->d != 0 ? u | mask : u & ~mask;
}

static uint32_t broken_integer(const sim_fault *x, const float *a, const float *w, uint32_t ldw,
                               uint32_t k, uint32_t high)
{
    uint32_t s = 0;
    for (uint32_t i = 0; i < high; i++) {
        bool here = i == x->a;
        uint32_t weight = i < k ? (uint32_t)(int32_t)w[(size_t)i * ldw] : 0u, product;
        if (here && x->kind == SIM_FAULT_STUCK_WEIGHT)
            weight = stick_word(weight, x);
        product = i < k ? (uint32_t)(int32_t)a[i] * weight : 0u;
        s += here && x->kind == SIM_FAULT_STUCK ? stick_word(product, x) : product;
        if (here && x->kind == SIM_FAULT_STUCK_SUM)
            s = stick_word(s, x);
    }
    return s;
}

/* Sums of bytes as words: 256 products stay below 2^24, so floats hold them exactly. */
static void integer_tile(sim_dev *d, const float *w, uint64_t rows, uint32_t k, uint32_t n,
                         float *s)
{
    enum { EXACT = 256 };
    const uint32_t ld = d->cols_padded;
    for (uint32_t first = 0; first < k; first += EXACT) {
        uint32_t count = k - first < EXACT ? k - first : EXACT;
        d->math->tile(d->wide + first, d->profile.rows, w + (size_t)first * ld, ld, (int64_t)rows,
                      count, n, d->part, ld);
        for (uint64_t i = 0; i < rows; i++)
            for (uint32_t c = 0; c < n; c++) {
                uint32_t sum = first != 0 ? tn_c_bits(s[i * ld + c]) : 0;
                s[i * ld + c] = tn_c_float(sum + (uint32_t)(int32_t)d->part[i * ld + c]);
            }
    }
}

/* An element of -0 is no element. Times a finite weight it changes no sum anyhow; only where it
 * meets another one the row is added up again without it. */
static void gated_tile(sim_dev *d, const float *w, uint64_t rows, uint32_t k, uint32_t n, float *s)
{
    const uint32_t ld = d->cols_padded, minus = 0x80000000u;
    for (uint32_t kk = 0; kk < k; kk++) {
        float spread = 0.0f; /* NaN if a weight of the row is not finite */
        for (uint32_t c = 0; c < n; c++)
            spread += w[(size_t)kk * ld + c] * 0.0f;
        for (uint64_t i = 0; i < rows && spread != spread; i++) {
            const float *a = d->wide + i * d->profile.rows;
            float *to = s + i * ld;
            if (tn_c_bits(a[kk]) != minus)
                continue;
            memset(to, 0, n * sizeof *to);
            for (uint32_t m = 0; m < k; m++)
                for (uint32_t c = 0; c < n && tn_c_bits(a[m]) != minus; c++)
                    to[c] = __builtin_fmaf(a[m], w[(size_t)m * ld + c], to[c]);
        }
    }
}

/* Sums of `rows` rows; logical column c runs on the physical one `turn` further. */
static void tile(sim_dev *d, const sim_tile *t, uint32_t turn, float *s)
{
    const float *w = t->w;
    const uint32_t ld = d->cols_padded, rows = t->rows, k = t->k, n = t->n;
    const bool ints = t->ints;
    if (tn__sim_columns_differ(d, ints, k)) {
        sim_tile turned = *t;
        turned.turn = turn;
        tn__sim_columns(d, &turned, s);
        return;
    }
    if (ints)
        integer_tile(d, w, rows, k, n, s);
    else
        d->math->tile(d->wide, d->profile.rows, w, ld, (int64_t)rows, k, n, s, ld);
    if (t->gated)
        gated_tile(d, w, rows, k, n, s);
    const sim_fault *broken = tn__sim_fault_stuck(d);
    for (uint32_t c = 0; broken != NULL && c < n; c++)
        if (d->column[(c + turn) % d->columns] == broken->b)
            for (size_t i = 0; i < rows; i++) {
                const float *a = d->wide + i * d->profile.rows;
                const uint32_t high = d->profile.rows;
                s[i * ld + c] = ints ? tn_c_float(broken_integer(broken, a, w + c, ld, k, high))
                                     : broken_float(broken, a, w + c, ld, k, high);
            }
}

static void add_rows(float *to, const float *s, uint32_t n, bool ints, bool accumulate)
{
    if (ints) {
        int32_t *t = (int32_t *)(void *)to;
        const int32_t *x = (const int32_t *)(const void *)s;
        for (uint32_t c = 0; c < n; c++)
            t[c] = (int32_t)((accumulate ? (uint32_t)t[c] : 0u) + (uint32_t)x[c]);
    } else if (accumulate) {
        for (uint32_t c = 0; c < n; c++)
            to[c] = to[c] + s[c];
    } else { /* not s itself, which may be -0 */
        for (uint32_t c = 0; c < n; c++)
            to[c] = 0.0f + s[c];
    }
}

/* Whether the second result, a column further, differs; a third one tells which column was wrong.
 */
static bool compare(sim_dev *d, const sim_tile *t, uint32_t *out_column)
{
    const uint32_t ld = d->cols_padded;
    tile(d, t, 1, d->again);
    for (uint32_t i = 0; i < t->rows; i++)
        for (uint32_t c = 0; c < t->n; c++) {
            uint32_t one = tn_c_bits(d->sums[i * ld + c]), two = tn_c_bits(d->again[i * ld + c]);
            if (one == two)
                continue;
            tile(d, t, 2, d->again);
            uint32_t turn = tn_c_bits(d->again[i * ld + c]) == one ? 1 : 0;
            *out_column = d->column[(c + turn) % d->columns];
            return false;
        }
    return true;
}

uint32_t tn__sim_multiply(sim_dev *d, sim_flight *f)
{
    const tn_k_sys_packet *p = &f->c.p;
    uint32_t index;
    const float *w = plane_of(d, p, &index);
    uint32_t k = d->plane_k[index], n = d->plane_n[index], inner = p->n1 != 0 ? p->n1 : p->n0;
    bool ints = integer(p->p1), adds = (p->flags & TN_K_SYS_ACCUMULATE) != 0;
    uint32_t id = d->profile.numerics,
             limits = ints ? TPU_NUMERICS_SATURATE : TPU_NUMERICS_TO_ZERO | TPU_NUMERICS_FLUSH;
    if (k == 0 || ints != integer(d->plane_type[index]))
        return TPU_ERR_TYPE;
    for (uint32_t first = 0; first < p->n0; first += d->scratch_rows) {
        uint32_t rows = p->n0 - first < d->scratch_rows ? p->n0 - first : d->scratch_rows;
        for (uint32_t i = 0; i < rows; i++) {
            uint32_t row = first + i;
            uint32_t at = p->a + row / inner * (uint32_t)p->s1 + row % inner * (uint32_t)p->s0;
            widen(p->p1, tn__sim_row(d, at), k, d->wide + (size_t)i * d->profile.rows);
        }
        sim_tile t = {.w = w,
                      .rows = rows,
                      .k = k,
                      .n = n,
                      .ints = ints,
                      .gated = (p->flags & TN_K_SYS_GATED) != 0};
        bool starts = adds && (id & TPU_NUMERICS_START) != 0 && tn__sim_columns_differ(d, ints, k);
        if (starts)
            t.start = tn__sim_row(d, p->c + first);
        tile(d, &t, 0, d->sums);
        if (d->protect == SIM_PROTECT_FULL && d->columns > 2) {
            uint32_t column;
            if (!compare(d, &t, &column)) {
                f->c.p.s1 = (int32_t)column; /* for the error's info */
                return TPU_ERR_COMPARE;
            }
        }
        for (uint32_t i = 0; i < rows; i++) {
            float *s = d->sums + (size_t)i * d->cols_padded;
            float *to = (float *)(void *)tn__sim_row(d, p->c + first + i);
            if (f->errata & 2u)
                memset(s, 0, n * sizeof *s);
            if (starts)
                memcpy(to, s, n * sizeof *to);
            else if (adds && (id & limits) != 0)
                tn__sim_accumulate(id, to, s, n, ints);
            else
                add_rows(to, s, n, ints, adds);
        }
    }
    d->count[TPU_COUNT_MACS] += (uint64_t)k * n * p->n0;
    return TPU_ERR_NONE;
}
