/* SPDX-License-Identifier: Apache-2.0 */
/* Columns that add in another way than one by one from +0 to the nearest: what a chip's numerics id
 * says. A column at a time, so a hundred times slower than vectors of columns. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <kernels/common/canonmath.h>
#include <string.h>

enum { ROWS_MOST = 1024, INEXACT = TPU_NUMERICS_TO_ZERO | TPU_NUMERICS_FLUSH };

static float flush(uint32_t id, float x)
{
    uint32_t u = tn_c_bits(x);
    return (id & TPU_NUMERICS_FLUSH) != 0 && (u & 0x7f800000u) == 0 ? tn_c_float(u & 0x80000000u)
                                                                    : x;
}

/* t + rest toward zero, where t is the double that is nearest to their sum. */
static float cut(double t, double rest)
{
    float y = (float)t, infinity = __builtin_inff();
    bool more = (double)y > t || ((double)y == t && rest < 0.0);
    bool less = (double)y < t || ((double)y == t && rest > 0.0);
    bool finite = t > -(double)infinity && t < (double)infinity;
    return finite && ((t > 0.0 && more) || (t < 0.0 && less)) ? tn_c_float(tn_c_bits(y) - 1) : y;
}

/* What x + y leaves out as a double t. */
static double left_out(double x, double y, double t)
{
    double part = t - x;
    return (x - (t - part)) + (y - part);
}

static float plus(uint32_t id, float x, float y)
{
    double t = (double)x + (double)y;
    return flush(id, (id & TPU_NUMERICS_TO_ZERO) != 0 ? cut(t, left_out(x, y, t)) : x + y);
}

static float times(uint32_t id, float x, float y)
{
    return flush(id, (id & TPU_NUMERICS_TO_ZERO) != 0 ? cut((double)x * (double)y, 0.0) : x * y);
}

static float fused(uint32_t id, float x, float y, float s)
{
    double p = (double)x * (double)y, t = p + (double)s; /* p is exact */
    return flush(id, (id & TPU_NUMERICS_TO_ZERO) != 0 ? cut(t, left_out(p, s, t))
                                                      : __builtin_fmaf(x, y, s));
}

static uint32_t stick(uint32_t u, const sim_fault *x)
{
    uint32_t mask = 1u << (x->c & 31u);
    return x->d != 0 ? u | mask : u & ~mask;
}

/* One column of a row; below the k rows of the tile are zeros, which count where something is
 * broken among them. */
typedef struct column {
    const sim_dev *d;
    const float *a, *w;
    uint32_t ldw, k, high;
    bool gated;
    const sim_fault *broken; /* NULL: not this column */
} column;

static bool broken_here(const column *x, uint32_t row, uint32_t kind)
{
    return x->broken != NULL && x->broken->a == row && x->broken->kind == kind;
}

static bool element(const column *x, uint32_t row, float *a, float *w)
{
    uint32_t id = x->d->profile.numerics;
    *a = row < x->k ? flush(id, x->a[row]) : 0.0f;
    *w = row < x->k ? flush(id, x->w[(size_t)row * x->ldw]) : 0.0f;
    if (broken_here(x, row, SIM_FAULT_STUCK_WEIGHT))
        *w = tn_c_float(stick(tn_c_bits(*w), x->broken));
    return !x->gated || row >= x->k || tn_c_bits(x->a[row]) != 0x80000000u;
}

static float product(const column *x, uint32_t row)
{
    float a, w;
    bool takes = element(x, row, &a, &w);
    float p = takes ? times(x->d->profile.numerics, a, w) : 0.0f;
    return broken_here(x, row, SIM_FAULT_STUCK) ? tn_c_float(stick(tn_c_bits(p), x->broken)) : p;
}

static float add_float(const column *x, float s)
{
    uint32_t id = x->d->profile.numerics, tree = id & TPU_NUMERICS_TREE;
    uint32_t rows = x->broken != NULL ? x->high : x->k, each = tree != 0 ? tree : 1;
    float p[ROWS_MOST];
    for (uint32_t first = 0; first < rows; first += each) {
        float a, w;
        bool takes = element(x, first, &a, &w);
        if (tree != 0 || broken_here(x, first, SIM_FAULT_STUCK)) {
            for (uint32_t i = 0; i < each; i++)
                p[i] = first + i < rows ? product(x, first + i) : 0.0f;
            for (uint32_t n = each; n > 1; n = (n + 1) / 2)
                for (uint32_t i = 0; 2 * i < n; i++)
                    p[i] = 2 * i + 1 < n ? plus(id, p[2 * i], p[2 * i + 1]) : p[2 * i];
            s = plus(id, s, p[0]);
        } else if (takes) {
            s = fused(id, a, w, s);
        }
        for (uint32_t i = 0; i < each; i++)
            if (broken_here(x, first + i, SIM_FAULT_STUCK_SUM))
                s = tn_c_float(stick(tn_c_bits(s), x->broken));
    }
    return s;
}

static int32_t limited(uint32_t id, uint32_t bits, int64_t v)
{
    int64_t most = (INT64_C(1) << (bits - 1)) - 1, span = INT64_C(1) << bits;
    if ((id & TPU_NUMERICS_SATURATE) != 0)
        return (int32_t)(v > most ? most : v < -most - 1 ? -most - 1 : v);
    v = ((v % span) + span) % span;
    return (int32_t)(v > most ? v - span : v);
}

static int32_t add_integer(const column *x, int32_t s)
{
    uint32_t id = x->d->profile.numerics, bits = tn__sim_sum_bits(id);
    uint32_t rows = x->broken != NULL ? x->high : x->k;
    for (uint32_t row = 0; row < rows; row++) {
        int32_t a = row < x->k ? (int32_t)x->a[row] : 0;
        int32_t w = row < x->k ? (int32_t)x->w[(size_t)row * x->ldw] : 0, p;
        if (broken_here(x, row, SIM_FAULT_STUCK_WEIGHT))
            w = (int32_t)stick((uint32_t)w, x->broken);
        p = (int32_t)((uint32_t)a * (uint32_t)w);
        if (broken_here(x, row, SIM_FAULT_STUCK))
            p = (int32_t)stick((uint32_t)p, x->broken);
        s = limited(id, bits, (int64_t)s + p);
        if (broken_here(x, row, SIM_FAULT_STUCK_SUM))
            s = limited(id, bits, (int32_t)stick((uint32_t)s, x->broken));
    }
    return s;
}

bool tn__sim_columns_differ(const sim_dev *d, bool ints, uint32_t k)
{
    uint32_t id = d->profile.numerics;
    if (!ints)
        return (id & (TPU_NUMERICS_TREE | TPU_NUMERICS_START | INEXACT)) != 0;
    if ((id & TPU_NUMERICS_SATURATE) == 0 && tn__sim_sum_bits(id) == 32)
        return false;
    /* No sum of k products of bytes leaves its bits. */
    uint64_t most = (d->profile.types >> TN_U8 & 1u) != 0 ? 255 * 255 : 128 * 128;
    bool within = k * most < UINT64_C(1) << (tn__sim_sum_bits(id) - 1);
    return !within || (id & TPU_NUMERICS_START) != 0 || tn__sim_fault_stuck(d) != NULL;
}

void tn__sim_columns(const sim_dev *d, const sim_tile *t, float *s)
{
    const sim_fault *broken = tn__sim_fault_stuck(d);
    for (uint32_t i = 0; i < t->rows; i++)
        for (uint32_t c = 0; c < t->n; c++) {
            bool here = broken != NULL && d->column[(c + t->turn) % d->columns] == broken->b;
            column x = {d,        d->wide + (size_t)i * d->profile.rows,
                        t->w + c, d->cols_padded,
                        t->k,     d->profile.rows,
                        t->gated, here ? broken : NULL};
            float *to = s + (size_t)i * d->cols_padded + c, start = 0.0f;
            if (t->start != NULL)
                memcpy(&start, t->start + i * (size_t)d->acc_row_bytes + c * sizeof start,
                       sizeof start);
            *to = t->ints ? tn_c_float((uint32_t)add_integer(&x, (int32_t)tn_c_bits(start)))
                          : add_float(&x, start);
        }
}

void tn__sim_accumulate(uint32_t id, float *to, const float *s, uint32_t n, bool ints)
{
    for (uint32_t c = 0; c < n; c++)
        if (ints)
            to[c] = tn_c_float((uint32_t)limited(
                id, 32, (int64_t)(int32_t)tn_c_bits(to[c]) + (int32_t)tn_c_bits(s[c])));
        else
            to[c] = plus(id, to[c], s[c]);
}
