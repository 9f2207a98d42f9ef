/* SPDX-License-Identifier: Apache-2.0 */
/* Defects that one class of a call alone can tell: FAST beyond what it declares; and of weights in
 * blocks and batch norm. Those of CANONICAL are in mutant_order.c. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

/* ---- FAST ---- */

enum { FAST_TAIL = 1, FAST_MINUS_ZERO, FAST_NAN, FAST_SATURATED, FAST_BF16, FAST_RSQRT, FAST_LATE };

static bool fast(const mutant_op *o)
{
    return o->op.numerics.cls == TN_CLASS_FAST;
}

static bool fast_meets(mutant_op *o, int how)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    uint32_t kind = o->attr.eltwise.kind;
    if (!fast(o) || t == NULL)
        return false;
    if (o->op.kind == TN_OP_ELTWISE && o->attr.eltwise.pass != TN_PASS_FORWARD)
        return false;
    switch (how) {
    case FAST_TAIL:
    case FAST_LATE:
        return kind == TN_ELTWISE_GELU && t->dtype == TN_F32;
    case FAST_MINUS_ZERO:
        return kind == TN_ELTWISE_GELU || kind == TN_ELTWISE_SILU;
    case FAST_NAN:
        return kind == TN_ELTWISE_GELU;
    case FAST_SATURATED:
        return kind == TN_ELTWISE_TANH;
    default:
        return t->dtype == TN_F32;
    }
}

static float steps(float v, int n)
{
    for (int k = 0; k < n; ++k)
        v = nextafterf(v, INFINITY);
    return v;
}

static void fast_end(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *t = tn__mutant_tensor(&o, TN_ARG_OUT), *a = tn__mutant_tensor(&o, TN_ARG_A);
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n);
        double v = tn__mutant_load(r, TN_ARG_OUT, at), w = v;
        /* in place A has become the output */
        bool same =
            r->data[tn__mutant_index(&o, TN_ARG_A)] == r->data[tn__mutant_index(&o, TN_ARG_OUT)];
        double x = same ? v : tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, n));
        if (how == FAST_TAIL && v < 0 && x < -1.5 && isfinite(x) && fabs(v) > 1e-30)
            w = (double)steps((float)v, 18);
        else if (how == FAST_LATE && x > 3 && x < 5)
            w = (double)steps((float)v, 12);
        else if (how == FAST_MINUS_ZERO && v == 0)
            w = 0;
        else if (how == FAST_NAN && isnan(v))
            w = 0;
        else if (how == FAST_SATURATED && fabs(v) > 0x1.ffp-1)
            w = copysign(1, v);
        else if (how == FAST_BF16)
            w = (double)tn__mutant_round(v, 8, true);
        else if (how == FAST_RSQRT)
            w = v * (1 + 0x1p-13);
        if (w != v || signbit(w) != signbit(v))
            tn__mutant_store(r, TN_ARG_OUT, at, w);
    }
}

/* gelu behind a sum in its other form, where the call says FAST. */
static bool fast_post(mutant_op *o, int param)
{
    (void)param;
    for (uint32_t p = 0; fast(o) && p < o->op.post_count; ++p)
        if (o->posts[p].kind == TN_POST_GELU) {
            o->posts[p].kind = TN_POST_GELU_TANH;
            return true;
        }
    return false;
}

/* ---- quantizing to blocks ---- */

enum {
    BLOCK_128 = 1, /* q8_0 by 128 */
    BLOCK_UNSIGNED,
    BLOCK_NEIGHBOURS,
    BLOCK_AWAY,
    BLOCK_EXACT_SCALE,
    BLOCK_LAST,
    BLOCK_EXPONENT,
    BLOCK_FINITE,
    BLOCK_INFINITE,
    BLOCK_GAP
};

static int64_t block_bytes(uint64_t layout)
{
    return layout == TN_LAYOUT_Q4_0    ? 18
           : layout == TN_LAYOUT_Q8_0  ? 34
           : layout == TN_LAYOUT_MXFP4 ? 17
                                       : 0;
}

static bool block_meets(mutant_op *o, int how)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    if (t == NULL || block_bytes(t->layout) == 0)
        return false;
    switch (how) {
    case BLOCK_128:
        return t->layout == TN_LAYOUT_Q8_0;
    case BLOCK_UNSIGNED:
    case BLOCK_LAST:
        return t->layout == TN_LAYOUT_Q4_0;
    case BLOCK_NEIGHBOURS:
        return t->layout != TN_LAYOUT_Q8_0;
    case BLOCK_EXPONENT:
        return t->layout == TN_LAYOUT_MXFP4;
    case BLOCK_EXACT_SCALE:
    case BLOCK_INFINITE:
        return t->layout != TN_LAYOUT_MXFP4;
    case BLOCK_GAP:
        return t->rank > 1 && t->stride[0] > tn__mutant_count_of(t) / t->dim[0];
    default:
        return true;
    }
}

static int four(double x, bool away)
{
    static const double between[] = {0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5};
    int n = 0;
    for (int i = 0; i < 7; ++i)
        n += fabs(x) > between[i] || (fabs(x) == between[i] && (away || i % 2 != 0));
    return n | (signbit(x) != 0) * 8;
}

static void encode(uint64_t layout, const float *x, int how, unsigned char *to)
{
    double most = 0, first = 0;
    unsigned char number[32] = {0};
    bool finite = true, eight = layout == TN_LAYOUT_Q8_0;
    for (int k = 0; k < 32; ++k) {
        double m = fabs((double)x[k]);
        finite = finite && (isfinite(x[k]) || how == BLOCK_FINITE);
        if (m > most || (how == BLOCK_LAST && m == most)) {
            most = m;
            first = (double)x[k];
        }
    }
    int head = layout == TN_LAYOUT_MXFP4 ? 1 : 2;
    if (layout == TN_LAYOUT_MXFP4) {
        int s = most < 0x1p-126 ? 0 : ilogb(most) + 125 + (how == BLOCK_EXPONENT);
        s = s < 0 ? 0 : s > 254 ? 254 : s;
        to[0] = finite ? (unsigned char)s : 255;
        for (int k = 0; finite && k < 32; ++k)
            number[k] = (unsigned char)four(ldexp((double)x[k], 127 - s), how == BLOCK_AWAY);
    } else {
        float q = eight ? (float)most / (how == BLOCK_128 ? 128.0f : 127.0f)
                        : (float)(how == BLOCK_UNSIGNED ? -most : first) / -8.0f;
        double d = (double)tn__mutant_f16((double)q), low = eight ? -128 : -8;
        if (isinf(d) && how != BLOCK_INFINITE)
            d = copysign(65504, d);
        /* the f16 of a finite number that f32 holds exactly */
        uint16_t h = 0;
        double m = fabs(d);
        int e = m > 0 && isfinite(m) ? ilogb(m) : -15;
        e = e < -14 ? -15 : e;
        h = !isfinite(m) ? 0x7c00
            : e == -15   ? (uint16_t)ldexp(m, 24)
                         : (uint16_t)(((e + 15) << 10) + (int)(ldexp(m, 10 - e) - 1024));
        h = (uint16_t)(h | (signbit(d) != 0) << 15);
        h = finite ? h : 0x7e00;
        to[0] = (unsigned char)h;
        to[1] = (unsigned char)(h >> 8);
        float by = how == BLOCK_EXACT_SCALE ? q : (float)d;
        for (int k = 0; k < 32; ++k) {
            double n = finite && by != 0 ? (double)(x[k] / by) : 0;
            n = how == BLOCK_AWAY ? round(n) : nearbyint(n);
            n = isnan(n) ? 0 : n < low ? low : n > -low - 1 ? -low - 1 : n;
            number[k] = (unsigned char)(int)(eight ? n : n + 8);
        }
    }
    for (int k = 0; k < (eight ? 32 : 16); ++k)
        to[head + k] = eight ? number[k]
                       : how == BLOCK_NEIGHBOURS
                           ? (unsigned char)(number[2 * k] | number[2 * k + 1] << 4)
                           : (unsigned char)(number[k] | number[k + 16] << 4);
}

static void blocks(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *t = tn__mutant_tensor(&o, TN_ARG_OUT);
    unsigned char *out = r->data[tn__mutant_index(&o, TN_ARG_OUT)];
    for (int64_t b = 0; b < tn__mutant_count_of(t); b += 32) {
        float x[32];
        int64_t at = how == BLOCK_GAP ? b : tn__mutant_offset(t, b);
        for (int k = 0; k < 32; ++k)
            x[k] = (float)tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, b + k));
        encode(t->layout, x, how, out + at / 32 * block_bytes(t->layout));
    }
}

/* ---- batch norm ---- */

enum { BATCH_DIM_1 = 1, BATCH_DENSE, BATCH_BETA, BATCH_GAMMA_STRIDE, BATCH_PLACE };

static bool batch_meets(mutant_op *o, int how)
{
    tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *s = tn__mutant_tensor(o, TN_ARG_STATS),
              *g = tn__mutant_tensor(o, TN_ARG_GAMMA);
    int beta = tn__mutant_index(o, TN_ARG_BETA);
    uint32_t axes = o->attr.norm.axes;
    if (o->attr.norm.kind != TN_NORM_BATCH_INFERENCE || s == NULL)
        return false;
    switch (how) {
    case BATCH_DIM_1: /* whatever the axes say */
        if (axes == 0 || axes == a->rank - 1u || a->rank < 2 || a->dim[a->rank - axes] != a->dim[1])
            return false;
        o->attr.norm.axes = a->rank - 1u;
        return true;
    case BATCH_DENSE: /* statistics as if one row followed the other */
        if (s->stride[1] == 1 && s->stride[0] == s->dim[1])
            return false;
        s->stride[1] = 1;
        s->stride[0] = s->dim[1];
        return true;
    case BATCH_BETA:
        if (beta < 0 || g != NULL)
            return false;
        memmove(&o->args[beta], &o->args[beta + 1],
                (o->op.arg_count - (uint32_t)beta - 1) * sizeof *o->args);
        o->op.arg_count--;
        return true;
    case BATCH_GAMMA_STRIDE:
        if (g == NULL || g->stride[0] == 1)
            return false;
        g->stride[0] = 1;
        return true;
    default:
        return a->rank > 2 && a->stride[1] == 1 && g != NULL;
    }
}

/* Channels that lie last in memory are taken for the innermost dim. */
static void batch(mutant_run *r, int param)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *t = tn__mutant_tensor(&o, TN_ARG_OUT),
                    *s = tn__mutant_tensor(&o, TN_ARG_STATS),
                    *g = tn__mutant_tensor(&o, TN_ARG_GAMMA),
                    *b = tn__mutant_tensor(&o, TN_ARG_BETA);
    (void)param;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t c = n % a->dim[a->rank - 1] % s->dim[1];
        double f = tn__mutant_load(r, TN_ARG_GAMMA, c * g->stride[0]) /
                   sqrt(tn__mutant_load(r, TN_ARG_STATS, s->stride[0] + c * s->stride[1]) +
                        (double)o.attr.norm.epsilon);
        double shift = b != NULL ? tn__mutant_load(r, TN_ARG_BETA, c * b->stride[0]) : 0;
        double x = tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, n)) -
                   tn__mutant_load(r, TN_ARG_STATS, c * s->stride[1]);
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, n), x * f + shift);
    }
}

#define FAST(of, h) .family = "fast", .kind = of, .bend = fast_meets, .after = fast_end, .param = h
#define BLOCK(h)                                                                                   \
    .family = "blocks", .kind = TN_OP_QUANTIZE, .bend = block_meets, .compute = blocks, .param = h
#define BATCH(h) .family = "norm", .kind = TN_OP_NORM, .bend = batch_meets, .param = h
const mutant_defect tn__mutant_classes[] = {
    {.id = "F01", .text = "gelu in FAST: 18 ulp below -1.5", FAST(TN_OP_ELTWISE, FAST_TAIL)},
    {.id = "F02", .text = "gelu, silu in FAST: -0 as +0", FAST(TN_OP_ELTWISE, FAST_MINUS_ZERO)},
    {.id = "F03", .text = "gelu in FAST: NaN gives 0", FAST(TN_OP_ELTWISE, FAST_NAN)},
    {.id = "F04", .text = "tanh in FAST saturates early", FAST(TN_OP_ELTWISE, FAST_SATURATED)},
    {.id = "F05", .text = "softmax in FAST: stored in bf16", FAST(TN_OP_SOFTMAX, FAST_BF16)},
    {.id = "F06", .text = "norm in FAST: rsqrt of 13 bits", FAST(TN_OP_NORM, FAST_RSQRT)},
    {.id = "F07", .text = "gelu in FAST: 12 ulp between 3 and 5", FAST(TN_OP_ELTWISE, FAST_LATE)},
    {.id = "F08", .text = "gelu behind a sum in FAST by tanh", .family = "fast", .bend = fast_post},
    {.id = "F09", .text = "sums in FAST in bf16", FAST(TN_OP_REDUCE, FAST_BF16)},
    {.id = "Q05", .text = "q8_0 scales by 128", BLOCK(BLOCK_128)},
    {.id = "Q06", .text = "q4_0 without the sign of the largest", BLOCK(BLOCK_UNSIGNED)},
    {.id = "Q07", .text = "halves of a byte are neighbours", BLOCK(BLOCK_NEIGHBOURS)},
    {.id = "Q08", .text = "blocks round ties away from zero", BLOCK(BLOCK_AWAY)},
    {.id = "Q09",
     .text = "blocks divide by the scale before it is stored",
     BLOCK(BLOCK_EXACT_SCALE)},
    {.id = "Q10", .text = "q4_0 takes the last of the largest", BLOCK(BLOCK_LAST)},
    {.id = "Q11", .text = "mxfp4's scale is twice as large", BLOCK(BLOCK_EXPONENT)},
    {.id = "Q12", .text = "a block with a NaN keeps its numbers", BLOCK(BLOCK_FINITE)},
    {.id = "Q13", .text = "scales beyond f16 become infinite", BLOCK(BLOCK_INFINITE)},
    {.id = "Q14", .text = "rows of blocks without their gaps", BLOCK(BLOCK_GAP)},
    {.id = "N20", .text = "batch norm's channels are dim 1", BATCH(BATCH_DIM_1)},
    {.id = "N21", .text = "batch norm's statistics are dense", BATCH(BATCH_DENSE)},
    {.id = "N22", .text = "batch norm without gamma has no beta", BATCH(BATCH_BETA)},
    {.id = "N23", .text = "batch norm's gamma is dense", BATCH(BATCH_GAMMA_STRIDE)},
    {.id = "N24",
     .text = "batch norm takes the innermost dim for channels last in memory",
     BATCH(BATCH_PLACE),
     .compute = batch},
    {0}};
