/* SPDX-License-Identifier: Apache-2.0 */
/* Defects of attention, softmax, norms, functions, reductions, pools, moves and conversions. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant_rows.h"

#include <math.h>

/* ---- attention, by another op ---- */

static bool causal(const mutant_op *o)
{
    return (o->attr.attention.flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0;
}

static bool border(mutant_op *o, int by)
{
    tn_attention *a = &o->attr.attention;
    const tn_tensor *q = tn__mutant_tensor(o, TN_ARG_Q), *k = tn__mutant_tensor(o, TN_ARG_K);
    if (!causal(o) || a->pass != TN_PASS_FORWARD || tn__mutant_tensor(o, TN_ARG_LENGTHS) != NULL)
        return false;
    if ((a->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        a->first_query = a->first_key + k->dim[k->rank - 2] - q->dim[q->rank - 2];
    a->flags = (a->flags & ~(uint32_t)TN_ATTENTION_CAUSAL_FROM_END) | TN_ATTENTION_CAUSAL;
    a->first_query += by;
    return true;
}

static bool wrong_end(mutant_op *o, int param)
{
    (void)param;
    const tn_tensor *q = tn__mutant_tensor(o, TN_ARG_Q), *k = tn__mutant_tensor(o, TN_ARG_K);
    if (!causal(o) || q->dim[q->rank - 2] == k->dim[k->rank - 2])
        return false;
    o->attr.attention.flags ^= TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END;
    return true;
}

static bool scaled(mutant_op *o, int how)
{
    const tn_tensor *q = tn__mutant_tensor(o, TN_ARG_Q);
    float old = o->attr.attention.scale;
    o->attr.attention.scale = how == 0 ? 1.0f : how == 1 ? 1.0f / (float)q->dim[q->rank - 1] : 0.0f;
    return o->attr.attention.scale != old;
}

static bool exchanged(mutant_op *o, int param)
{
    int k = tn__mutant_index(o, TN_ARG_K), v = tn__mutant_index(o, TN_ARG_V);
    (void)param;
    if (memcmp(o->args[k].tensor.dim, o->args[v].tensor.dim, sizeof o->args[k].tensor.dim) != 0 ||
        o->attr.attention.pass != TN_PASS_FORWARD)
        return false;
    return true;
}

static void exchange_data(mutant_run *r, int param)
{
    int k = tn__mutant_index(&r->plan->right, TN_ARG_K),
        v = tn__mutant_index(&r->plan->right, TN_ARG_V);
    tn_buffer *b = r->buffer[k];
    uint64_t at = r->offset[k];
    (void)param;
    r->buffer[k] = r->buffer[v];
    r->offset[k] = r->offset[v];
    r->buffer[v] = b;
    r->offset[v] = at;
}

static bool fewer_keys(mutant_op *o, int of)
{
    tn_tensor *k = tn__mutant_tensor(o, TN_ARG_K), *v = tn__mutant_tensor(o, TN_ARG_V),
              *m = tn__mutant_tensor(o, TN_ARG_MASK);
    int64_t keys = k->dim[k->rank - 2], left = of == 1 ? keys - 1 : keys / of * of;
    if (left == keys || left == 0 || o->attr.attention.pass != TN_PASS_FORWARD ||
        (o->attr.attention.flags & TN_ATTENTION_CAUSAL_FROM_END) != 0 ||
        o->attr.attention.page_tokens != 0 || tn__mutant_tensor(o, TN_ARG_LENGTHS) != NULL)
        return false;
    k->dim[k->rank - 2] = v->dim[v->rank - 2] = left;
    if (m != NULL && m->dim[m->rank - 1] > 1)
        m->dim[m->rank - 1] = left;
    return true;
}

static bool window(mutant_op *o, int by)
{
    tn_attention *a = &o->attr.attention;
    if ((a->flags & TN_ATTENTION_WINDOW) == 0 || a->window_left + by < 0)
        return false;
    a->window_left += by;
    return true;
}

static bool drop_role(mutant_op *o, int role)
{
    int i = tn__mutant_index(o, (uint32_t)role);
    if (i < 0)
        return false;
    memmove(&o->args[i], &o->args[i + 1], (o->op.arg_count - (uint32_t)i - 1) * sizeof *o->args);
    o->op.arg_count--;
    return true;
}

static bool no_softcap(mutant_op *o, int param)
{
    (void)param;
    if (o->attr.attention.softcap == 0)
        return false;
    o->attr.attention.softcap = 0;
    return true;
}

static bool shorter_d(mutant_op *o, int param)
{
    tn_tensor *q = tn__mutant_tensor(o, TN_ARG_Q), *k = tn__mutant_tensor(o, TN_ARG_K);
    (void)param;
    if (o->attr.attention.pass != TN_PASS_FORWARD)
        return false;
    if (o->attr.attention.scale == 0)
        o->attr.attention.scale = 1.0f / sqrtf((float)q->dim[q->rank - 1]);
    q->dim[q->rank - 1]--;
    k->dim[k->rank - 1]--;
    return q->dim[q->rank - 1] > 0;
}

static bool backward_scale(mutant_op *o, int param)
{
    (void)param;
    return o->attr.attention.pass == TN_PASS_BACKWARD_DATA;
}

static void scale_gradient(mutant_run *r, int role)
{
    int i = tn__mutant_index(&r->plan->right, (uint32_t)role);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n);
        tn__mutant_store(r, (uint32_t)role, at, 2 * tn__mutant_load(r, (uint32_t)role, at));
    }
}

/* ---- softmax and norms of its own ---- */

enum {
    ROW_NO_MAX,
    ROW_ONE_PASS,
    ROW_N_1,
    ROW_RSQRT,
    ROW_EPS_OUTSIDE,
    ROW_NO_EPS,
    ROW_COARSE_EXP,
    ROW_SUM_F16
};

static bool plain_rows(mutant_op *o, int how)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    if (a->rank == 0 || a->dtype == TN_F64)
        return false;
    if (o->op.kind == TN_OP_SOFTMAX)
        return o->attr.softmax.pass == TN_PASS_FORWARD &&
               (how == ROW_NO_MAX || o->attr.softmax.log == 0) && o->attr.softmax.log == 0 &&
               (o->attr.softmax.axis == a->rank - 1 || o->attr.softmax.axis == -1);
    const tn_norm *t = &o->attr.norm;
    const tn_tensor *g = tn__mutant_tensor(o, TN_ARG_GAMMA);
    return t->pass == TN_PASS_FORWARD && t->kind <= TN_NORM_RMS && t->axes <= 1 &&
           (how == ROW_RSQRT || how == ROW_EPS_OUTSIDE || how == ROW_NO_EPS ||
            t->kind == TN_NORM_LAYER) &&
           (g == NULL || g->rank == 1);
}

static void rows(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *out = tn__mutant_tensor(&o, TN_ARG_OUT),
                    *g = tn__mutant_tensor(&o, TN_ARG_GAMMA),
                    *b = tn__mutant_tensor(&o, TN_ARG_BETA);
    int64_t n = a->dim[a->rank - 1];
    for (int64_t row = 0; n > 0 && row < tn__mutant_count_of(a) / n; ++row) {
#define X(k) ((float)tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, row * n + (k))))
        float sum = 0, square = 0, top = -INFINITY;
        for (int64_t k = 0; k < n; ++k) {
            sum += X(k);
            square += X(k) * X(k);
            top = X(k) > top ? X(k) : top;
        }
        if (o.op.kind == TN_OP_SOFTMAX) {
            float l = 0;
            top = how == ROW_NO_MAX ? 0 : top;
            for (int64_t k = 0; k < n; ++k) {
                float e = expf(X(k) - top);
                e = how == ROW_COARSE_EXP ? tn__mutant_round((double)e, 12, true) : e;
                l = how == ROW_SUM_F16 ? tn__mutant_f16((double)l + (double)e) : l + e;
            }
            for (int64_t k = 0; k < n; ++k) {
                float e = expf(X(k) - top);
                e = how == ROW_COARSE_EXP ? tn__mutant_round((double)e, 12, true) : e;
                tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(out, row * n + k),
                                 (double)(e / l));
            }
            continue;
        }
        const tn_norm *t = &o.attr.norm;
        bool rms = t->kind == TN_NORM_RMS;
        float mean = rms ? 0 : sum / (float)n, var = 0, eps = how == ROW_NO_EPS ? 0 : t->epsilon;
        for (int64_t k = 0; k < n; ++k)
            var += (X(k) - mean) * (X(k) - mean);
        var /= (float)(how == ROW_N_1 && n > 1 ? n - 1 : n);
        if (how == ROW_ONE_PASS)
            var = square / (float)n - mean * mean;
        float s = how == ROW_EPS_OUTSIDE ? 1.0f / (sqrtf(var) + eps) : 1.0f / sqrtf(var + eps);
        if (how == ROW_RSQRT)
            s = tn__mutant_round((double)s, 12, true);
        for (int64_t k = 0; k < n; ++k) {
            float y = (X(k) - mean) * s;
            y = g != NULL ? y * (float)tn__mutant_load(r, TN_ARG_GAMMA, k * g->stride[0]) : y;
            y = b != NULL ? y + (float)tn__mutant_load(r, TN_ARG_BETA, k * b->stride[0]) : y;
            tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(out, row * n + k), (double)y);
        }
#undef X
    }
}

/* ---- by another op ---- */

static bool softmax_axis(mutant_op *o, int param)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    (void)param;
    if (a->rank != 2 || a->dim[0] != a->dim[1])
        return false;
    o->attr.softmax.axis = o->attr.softmax.axis == 0 ? 1 : 0;
    return true;
}

static bool reduce_axis(mutant_op *o, int param)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    (void)param;
    if (a->rank != 2 || a->dim[0] != a->dim[1])
        return false;
    o->attr.reduce.axes_mask ^= 3u;
    tn_tensor *out = tn__mutant_tensor(o, TN_ARG_OUT);
    int64_t d = out->dim[0];
    out->dim[0] = out->dim[1];
    out->dim[1] = d;
    return out->rank == 2;
}

static bool kind_is(mutant_op *o, int pair) /* from * 256 + to */
{
    if (o->attr.eltwise.pass != TN_PASS_FORWARD || o->attr.eltwise.kind != (uint32_t)pair / 256)
        return false;
    o->attr.eltwise.kind = (uint32_t)pair % 256;
    return true;
}

static bool norm_kind(mutant_op *o, int param)
{
    (void)param;
    if (o->attr.norm.kind != TN_NORM_LAYER || o->attr.norm.pass != TN_PASS_FORWARD)
        return false;
    o->attr.norm.kind = TN_NORM_RMS;
    return tn__mutant_tensor(o, TN_ARG_BETA) == NULL;
}

static bool norm_groups(mutant_op *o, int param)
{
    (void)param;
    if (o->attr.norm.kind != TN_NORM_GROUP || o->attr.norm.groups < 2)
        return false;
    o->attr.norm.groups = 1;
    return true;
}

static bool mean_kind(mutant_op *o, int to)
{
    if (o->attr.reduce.kind != TN_REDUCE_MEAN)
        return false;
    o->attr.reduce.kind = (uint32_t)to;
    return true;
}

static bool reduce_tail(mutant_op *o, int of)
{
    tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    for (uint32_t d = a->rank; d-- > 0;)
        if ((o->attr.reduce.axes_mask >> d & 1u) != 0 && a->dim[d] % of != 0 && a->dim[d] > of) {
            a->dim[d] -= a->dim[d] % of;
            return true;
        }
    return false;
}

static bool pool_count(mutant_op *o, int param)
{
    (void)param;
    o->attr.pool.flags ^= TN_POOL_COUNT_PADDING;
    bool padded = false;
    for (uint32_t d = 0; d < o->attr.pool.dims; ++d)
        padded = padded || o->attr.pool.pad_lo[d] > 0 || o->attr.pool.pad_hi[d] > 0;
    return padded && o->attr.pool.kind == TN_POOL_AVERAGE;
}

static bool pool_pads(mutant_op *o, int param)
{
    bool differs = false;
    (void)param;
    for (uint32_t d = 0; d < o->attr.pool.dims; ++d) {
        int32_t t = o->attr.pool.pad_lo[d];
        differs = differs || t != o->attr.pool.pad_hi[d];
        o->attr.pool.pad_lo[d] = o->attr.pool.pad_hi[d];
        o->attr.pool.pad_hi[d] = t;
    }
    return differs && o->attr.pool.ceil == 0;
}

/* ---- after the right result ---- */

enum { END_PLUS_ZERO, END_QUIET, END_MAX_ZERO, END_MINUS_128, END_ULP, END_NO_NAN };

static bool end_meets(mutant_op *o, int how)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    bool fl = t != NULL && (t->dtype == TN_F32 || t->dtype == TN_F16 || t->dtype == TN_BF16);
    switch (how) {
    case END_MAX_ZERO:
        return fl && o->attr.pool.kind == TN_POOL_MAX;
    case END_MINUS_128:
        return t != NULL && t->dtype == TN_S8;
    case END_ULP:
        return fl && t->dtype == TN_F32 && o->attr.eltwise.pass == TN_PASS_FORWARD &&
               o->attr.eltwise.kind >= TN_ELTWISE_EXP && o->attr.eltwise.kind <= TN_ELTWISE_COS;
    case END_NO_NAN:
        return fl && (o->attr.reduce.kind == TN_REDUCE_MAX || o->attr.reduce.kind == TN_REDUCE_MIN);
    default:
        return fl;
    }
}

static void end(mutant_run *r, int how)
{
    const tn_tensor *t = &r->plan->right.args[tn__mutant_index(&r->plan->right, TN_ARG_OUT)].tensor;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n);
        double v = tn__mutant_load(r, TN_ARG_OUT, at);
        bool change = (how == END_PLUS_ZERO && v == 0) || (how == END_QUIET && isnan(v)) ||
                      (how == END_MAX_ZERO && v < 0) || (how == END_MINUS_128 && v == -128) ||
                      (how == END_ULP && isfinite(v) && n % 13 == 5) ||
                      (how == END_NO_NAN && isnan(v));
        if (!change)
            continue;
        float up = (float)v;
        for (int k = 0; k < 12; ++k)
            up = nextafterf(up, INFINITY);
        tn__mutant_store(r, TN_ARG_OUT, at,
                         how == END_QUIET       ? (double)NAN
                         : how == END_MINUS_128 ? -127
                         : how == END_ULP       ? (double)up
                                                : 0);
    }
}

/* Casts: the value of A by hand. */
enum { CAST_ZERO, CAST_FLUSH, CAST_NEAR, CAST_CLAMP };

static bool cast_meets(mutant_op *o, int how)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *t = tn__mutant_tensor(o, TN_ARG_OUT);
    bool narrow = t->dtype == TN_F16 || t->dtype == TN_BF16,
         from = a->dtype == TN_F32 || a->dtype == TN_F64;
    if (how == CAST_NEAR)
        return from && (t->dtype == TN_S8 || t->dtype == TN_U8 || t->dtype == TN_S32);
    if (how == CAST_CLAMP)
        return from && t->dtype == TN_F16;
    return narrow && from;
}

static void cast(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *t = tn__mutant_tensor(&o, TN_ARG_OUT);
    void *to = r->data[tn__mutant_index(&o, TN_ARG_OUT)];
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        double v = tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, n));
        int64_t at = tn__mutant_offset(t, n);
        if (how == CAST_ZERO) {
            tn__mutant_store_round(t->dtype, to, at, v, 0);
            continue;
        }
        if (how == CAST_FLUSH && fabs(v) < (t->dtype == TN_F16 ? 0x1p-14 : 0x1p-126))
            v = copysign(0.0, v);
        if (how == CAST_NEAR)
            v = nearbyint(v);
        if (how == CAST_CLAMP && fabs(v) > 65504)
            v = copysign(65504, v);
        tn__mutant_store(r, TN_ARG_OUT, at, v);
    }
}

/* Quantising with ties away from zero, or toward zero. */
static bool quant_meets(mutant_op *o, int param)
{
    const tn_tensor *s = tn__mutant_tensor(o, TN_ARG_SCALE_OF + TN_ARG_OUT),
                    *t = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    return s != NULL && s->rank == 0 && (t->dtype == TN_S8 || t->dtype == TN_U8)
               ? true
               : s != NULL && s->rank == 1 && o->attr.axis.param == 0 &&
                     (t->dtype == TN_S8 || t->dtype == TN_U8);
}

static void quant(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *t = tn__mutant_tensor(&o, TN_ARG_OUT),
                    *s = tn__mutant_tensor(&o, TN_ARG_SCALE_OF + TN_ARG_OUT),
                    *z = tn__mutant_tensor(&o, TN_ARG_ZERO_OF + TN_ARG_OUT);
    int axis = o.attr.axis.axis < 0 ? o.attr.axis.axis + t->rank : o.attr.axis.axis;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        int64_t inner = 1;
        for (uint32_t d = (uint32_t)axis + 1; d < t->rank; ++d)
            inner *= t->dim[d];
        int64_t i = n / inner % t->dim[axis];
        float x = (float)tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, n)) /
                  (float)tn__mutant_load(r, TN_ARG_SCALE_OF + TN_ARG_OUT,
                                         s->rank == 0 ? 0 : i * s->stride[0]);
        double zero = z == NULL ? 0
                                : tn__mutant_load(r, TN_ARG_ZERO_OF + TN_ARG_OUT,
                                                  z->rank == 0 ? 0 : i * z->stride[0]);
        double q = how == 0   ? floor((double)x + 0.5)
                   : how == 1 ? trunc((double)x)
                              : nearbyint((double)x);
        q += how == 2 ? 0 : zero;
        double low = t->dtype == TN_S8 ? -128 : 0, high = t->dtype == TN_S8 ? 127 : 255;
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, n),
                         q < low    ? low
                         : q > high ? high
                                    : q);
    }
}

static bool no_negative(mutant_op *o, int param)
{
    (void)param;
    return (o->attr.axis.flags & TN_GATHER_BACKWARD) == 0;
}

static void clamp_index(mutant_run *r, int param)
{
    int i = tn__mutant_index(&r->plan->right, TN_ARG_INDEX);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    uint64_t bytes = (uint64_t)tn__mutant_span(t) * (tn_dtype_bits((tn_dtype)t->dtype) / 8);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
    (void)param;
    if (tn_buffer_create(r->plan->device->child, &desc, &r->scratch[i]) != TN_OK ||
        tn_buffer_get_info(r->scratch[i], &info) != TN_OK)
        return;
    unsigned char *from = r->data[i];
    memcpy((void *)(uintptr_t)info.address, from, bytes);
    r->data[i] = (unsigned char *)(uintptr_t)info.address;
    for (int64_t k = 0; k < tn__mutant_span(t); ++k)
        if (tn__mutant_load(r, TN_ARG_INDEX, k) < 0)
            tn__mutant_store(r, TN_ARG_INDEX, k, 0);
    r->data[i] = from;
}

static bool pad_mode(mutant_op *o, int param)
{
    (void)param;
    if (o->attr.window.mode != TN_PAD_REFLECT)
        return false;
    o->attr.window.mode = TN_PAD_EDGE;
    return true;
}

static bool copy_strides(mutant_op *o, int param)
{
    tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A);
    (void)param;
    if (a->rank != 2 || a->stride[0] != 1 || a->dim[0] != a->dim[1])
        return false;
    a->stride[0] = a->stride[1];
    a->stride[1] = 1;
    return true;
}

static bool copy_floats(mutant_op *o, int how)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *t = tn__mutant_tensor(o, TN_ARG_OUT);
    return a->dtype == t->dtype && end_meets(o, how);
}

#define ATT     .family = "attention", .kind = TN_OP_ATTENTION
#define OWN(h)  .bend = tn__mutant_attention_meets, .compute = tn__mutant_attention, .param = h
#define SOFTMAX .family = "softmax", .kind = TN_OP_SOFTMAX
#define NORM    .family = "norm", .kind = TN_OP_NORM
#define FN(a, b)                                                                                   \
    .family = "function", .kind = TN_OP_ELTWISE, .bend = kind_is, .param = (a)*256 + (b)
#define REDUCE .family = "reduce", .kind = TN_OP_REDUCE
#define POOL   .family = "pool", .kind = TN_OP_POOL
#define COPY   .family = "move", .kind = TN_OP_COPY
#define QUANT  .family = "quantize", .kind = TN_OP_QUANTIZE
const mutant_defect tn__mutant_rows[] = {
    {.id = "A01", .text = "causal border one key too far", ATT, .bend = border, .param = 1},
    {.id = "A02", .text = "causal border one key too early", ATT, .bend = border, .param = -1},
    {.id = "A03", .text = "scores not scaled", ATT, .bend = scaled, .param = 0},
    {.id = "A04", .text = "scores scaled by 1 / d", ATT, .bend = scaled, .param = 1},
    {.id = "A05", .text = "maximum not subtracted", ATT, OWN(ATT_NO_MAX)},
    {.id = "A06", .text = "mask adds -10000", ATT, OWN(ATT_ADD_10000)},
    {.id = "A07", .text = "mask adds -30", ATT, OWN(ATT_ADD_30)},
    {.id = "A08", .text = "scale of the call ignored", ATT, .bend = scaled, .param = 2},
    {.id = "A09", .text = "sum of weights not rescaled", ATT, OWN(ATT_NO_RESCALE)},
    {.id = "A10", .text = "tail of keys mod 32 dropped", ATT, .bend = fewer_keys, .param = 32},
    {.id = "A11", .text = "padded keys take part", ATT, OWN(ATT_EXTRA)},
    {.id = "A12", .text = "last key dropped", ATT, .bend = fewer_keys, .param = 1},
    {.id = "A13", .text = "weights stored in bf16 for f32", ATT, OWN(ATT_WEIGHTS_BF16)},
    {.id = "A14", .text = "scores stored in f16 for f32", ATT, OWN(ATT_SCORES_F16)},
    {.id = "A15", .text = "exp by exponent bits", ATT, OWN(ATT_SCHRAUDOLPH)},
    {.id = "A16", .text = "exp of the second degree", ATT, OWN(ATT_QUADRATIC)},
    {.id = "A17", .text = "exp in bf16", ATT, OWN(ATT_EXP_BF16)},
    {.id = "A18", .text = "value of the key before", ATT, OWN(ATT_V_SHIFTED)},
    {.id = "A19", .text = "K and V exchanged", ATT, .bend = exchanged, .before = exchange_data},
    {.id = "A21", .text = "causal from the wrong end", ATT, .bend = wrong_end},
    {.id = "A22", .text = "a row that is all masked gives the mean", ATT, OWN(ATT_MEAN_ROW)},
    {.id = "A23", .text = "key head is h mod the key heads", ATT, OWN(ATT_HEADS)},
    {.id = "A24", .text = "window one key too wide", ATT, .bend = window, .param = 1},
    {.id = "A25", .text = "window one key too narrow", ATT, .bend = window, .param = -1},
    {.id = "A26", .text = "softcap ignored", ATT, .bend = no_softcap},
    {.id = "A27", .text = "mask ignored", ATT, .bend = drop_role, .param = TN_ARG_MASK},
    {.id = "A28", .text = "lengths ignored", ATT, .bend = drop_role, .param = TN_ARG_LENGTHS},
    {.id = "A29", .text = "last element of d dropped", ATT, .bend = shorter_d},
    {.id = "A30",
     .text = "gradient of K twice too large",
     ATT,
     .bend = backward_scale,
     .after = scale_gradient,
     .param = TN_ARG_OUT_GRAD_B},
    {.id = "A31",
     .text = "gradient of V twice too large",
     ATT,
     .bend = backward_scale,
     .after = scale_gradient,
     .param = TN_ARG_OUT_GRAD_V},
    {.id = "N01",
     .text = "softmax without the maximum",
     SOFTMAX,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_NO_MAX},
    {.id = "N02",
     .text = "variance in one pass",
     NORM,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_ONE_PASS},
    {.id = "N03",
     .text = "softmax adds up in f16",
     SOFTMAX,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_SUM_F16},
    {.id = "N04",
     .text = "variance by n - 1",
     NORM,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_N_1},
    {.id = "N05",
     .text = "softmax with 12 bits of exp",
     SOFTMAX,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_COARSE_EXP},
    {.id = "N06",
     .text = "gelu by tanh where erf is asked for",
     FN(TN_ELTWISE_GELU, TN_ELTWISE_GELU_TANH)},
    {.id = "N07",
     .text = "softmax along the wrong axis when square",
     SOFTMAX,
     .bend = softmax_axis},
    {.id = "N08",
     .text = "rsqrt of 12 bits",
     NORM,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_RSQRT},
    {.id = "N09",
     .text = "epsilon outside of the root",
     NORM,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_EPS_OUTSIDE},
    {.id = "N10",
     .text = "epsilon ignored",
     NORM,
     .bend = plain_rows,
     .compute = rows,
     .param = ROW_NO_EPS},
    {.id = "N11", .text = "gamma ignored", NORM, .bend = drop_role, .param = TN_ARG_GAMMA},
    {.id = "N12", .text = "beta ignored", NORM, .bend = drop_role, .param = TN_ARG_BETA},
    {.id = "N13", .text = "layer norm without the mean", NORM, .bend = norm_kind},
    {.id = "N14", .text = "one group for all channels", NORM, .bend = norm_groups},
    {.id = "N15",
     .text = "functions off by 12 ulp now and then",
     .family = "function",
     .kind = TN_OP_ELTWISE,
     .bend = end_meets,
     .after = end,
     .param = END_ULP},
    {.id = "N16", .text = "silu for gelu", FN(TN_ELTWISE_GELU, TN_ELTWISE_SILU)},
    {.id = "N17", .text = "less for less or equal", FN(TN_ELTWISE_LESS_EQUAL, TN_ELTWISE_LESS)},
    {.id = "N18", .text = "max for min", FN(TN_ELTWISE_MIN, TN_ELTWISE_MAX)},
    {.id = "N19", .text = "exp2 for exp", FN(TN_ELTWISE_EXP, TN_ELTWISE_EXP2)},
    {.id = "D01",
     .text = "reduction along the wrong axis when square",
     REDUCE,
     .bend = reduce_axis},
    {.id = "D02",
     .text = "tail of a reduction mod 4 dropped",
     REDUCE,
     .bend = reduce_tail,
     .param = 4},
    {.id = "D03", .text = "sum for mean", REDUCE, .bend = mean_kind, .param = TN_REDUCE_SUM},
    {.id = "D04",
     .text = "maximum without NaN",
     REDUCE,
     .bend = end_meets,
     .after = end,
     .param = END_NO_NAN},
    {.id = "D05",
     .text = "average counts the padding, or not, the wrong way",
     POOL,
     .bend = pool_count},
    {.id = "D06", .text = "pool's padding of low and high side exchanged", POOL, .bend = pool_pads},
    {.id = "D07",
     .text = "max pool begins with 0",
     POOL,
     .bend = end_meets,
     .after = end,
     .param = END_MAX_ZERO},
    {.id = "D08",
     .text = "casts truncate",
     COPY,
     .bend = cast_meets,
     .compute = cast,
     .param = CAST_ZERO},
    {.id = "D09",
     .text = "casts flush subnormal results",
     COPY,
     .bend = cast_meets,
     .compute = cast,
     .param = CAST_FLUSH},
    {.id = "D10",
     .text = "float to integer rounds to nearest",
     COPY,
     .bend = cast_meets,
     .compute = cast,
     .param = CAST_NEAR},
    {.id = "D11",
     .text = "casts to f16 saturate",
     COPY,
     .bend = cast_meets,
     .compute = cast,
     .param = CAST_CLAMP},
    {.id = "D12",
     .text = "copies turn -0 into +0",
     COPY,
     .bend = copy_floats,
     .after = end,
     .param = END_PLUS_ZERO},
    {.id = "D13",
     .text = "copies make NaN all alike",
     COPY,
     .bend = copy_floats,
     .after = end,
     .param = END_QUIET},
    {.id = "D14", .text = "square copies ignore a transposition", COPY, .bend = copy_strides},
    {.id = "D15",
     .text = "negative indices read row 0",
     .family = "move",
     .kind = TN_OP_GATHER,
     .bend = no_negative,
     .before = clamp_index},
    {.id = "D16",
     .text = "reflect taken as edge",
     .family = "move",
     .kind = TN_OP_PAD,
     .bend = pad_mode},
    {.id = "Q01",
     .text = "quantising rounds half up",
     QUANT,
     .bend = quant_meets,
     .compute = quant,
     .param = 0},
    {.id = "Q02",
     .text = "quantising truncates",
     QUANT,
     .bend = quant_meets,
     .compute = quant,
     .param = 1},
    {.id = "Q03",
     .text = "zero point ignored",
     QUANT,
     .bend = quant_meets,
     .compute = quant,
     .param = 2},
    {.id = "Q04",
     .text = "-128 becomes -127",
     QUANT,
     .bend = end_meets,
     .after = end,
     .param = END_MINUS_128},
    {0}};
