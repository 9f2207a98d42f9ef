/* SPDX-License-Identifier: Apache-2.0 */
/* Defects that many ops share (rounding of inputs and outputs, what is written where), and those of
 * convolution, pooling and moves. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

static bool floating(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

/* ---- inputs ---- */

enum { IN_TF32, IN_BF16, IN_NO_NAN, IN_FLUSH, IN_F16 };

static double changed(int how, double v)
{
    switch (how) {
    case IN_TF32:
        return (double)tn__mutant_round(v, 11, true);
    case IN_BF16:
        return (double)tn__mutant_round(v, 8, true);
    case IN_F16:
        return (double)tn__mutant_f16(v);
    case IN_FLUSH:
        return fabs(v) < 0x1p-126 ? 0 : v;
    default:
        return isnan(v) ? 0 : v;
    }
}

static bool terms(uint32_t role)
{
    return role == TN_ARG_A || role == TN_ARG_B || role == TN_ARG_Q || role == TN_ARG_K ||
           role == TN_ARG_V;
}

static bool any_floats(mutant_op *o, int how)
{
    for (uint32_t i = 0; i < o->op.arg_count; ++i)
        if (terms(o->args[i].role) &&
            (how >= IN_NO_NAN ? floating(o->args[i].tensor.dtype)
                              : o->args[i].tensor.dtype == TN_F32) &&
            (how != IN_F16 || o->args[i].tensor.dtype == TN_F32))
            return true;
    return false;
}

/* Sums, that is: a cast or a copy is not one. */
static bool sums_of_floats(mutant_op *o, int how)
{
    return (o->op.kind == TN_OP_MATMUL || o->op.kind == TN_OP_CONV ||
            o->op.kind == TN_OP_ATTENTION) &&
           any_floats(o, how);
}

/* Puts changed inputs in the place of the right ones; the old bytes come back afterwards. */
static void change_inputs(mutant_run *r, int how)
{
    const mutant_op *o = &r->plan->right;
    for (uint32_t i = 0; i < o->op.arg_count; ++i) {
        const tn_tensor *t = &o->args[i].tensor;
        if (!terms(o->args[i].role) || !floating(t->dtype))
            continue;
        uint64_t bytes = (uint64_t)tn__mutant_span(t) * (tn_dtype_bits((tn_dtype)t->dtype) / 8);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
        if (bytes == 0 ||
            tn_buffer_create(r->plan->device->child, &desc, &r->scratch[i]) != TN_OK ||
            tn_buffer_get_info(r->scratch[i], &info) != TN_OK)
            continue;
        unsigned char *to = (unsigned char *)(uintptr_t)info.address, *from = r->data[i];
        for (int64_t k = 0; k < tn__mutant_span(t); ++k) {
            double v = tn__mutant_load(r, o->args[i].role, k);
            r->data[i] = to;
            tn__mutant_store(r, o->args[i].role, k, changed(how, v));
            r->data[i] = from;
        }
    }
}

/* ---- outputs ---- */

enum {
    OUT_ZERO,
    OUT_AWAY,
    OUT_FLUSH,
    OUT_SATURATE,
    OUT_BIT,
    OUT_OLD,
    OUT_PAST,
    OUT_INPUT,
    OUT_BEFORE,
    OUT_NOISE
};

static void *output(const mutant_run *r, const tn_tensor **t, int *index)
{
    *index = tn__mutant_index(&r->plan->right, TN_ARG_OUT);
    if (*index < 0)
        return NULL;
    *t = &r->plan->right.args[*index].tensor;
    return r->data[*index];
}

static bool wide(mutant_op *o, int param)
{
    (void)param;
    return o->op.kind != TN_OP_COPY && o->op.kind != TN_OP_QUANTIZE &&
           o->op.kind != TN_OP_DEQUANTIZE && tn__mutant_is_output(o, TN_ARG_OUT) &&
           tn__mutant_wide_output(o);
}

static void narrow_output(mutant_run *r, int how)
{
    const tn_tensor *t = NULL;
    int i;
    void *to = output(r, &t, &i);
    if (to == NULL)
        return;
    const float *from = (const float *)(const void *)r->scratch_data[i];
    for (int64_t n = 0; from != NULL && n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n);
        tn__mutant_store_round(t->dtype, to, at, (double)from[at], how);
    }
}

static bool floats_out(mutant_op *o, int param)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    return t != NULL && tn__mutant_is_output(o, TN_ARG_OUT) && floating(t->dtype) &&
           tn__mutant_count_of(t) > 0;
}

static bool sums_out(mutant_op *o, int param)
{
    return (o->op.kind == TN_OP_MATMUL || o->op.kind == TN_OP_CONV) && floats_out(o, param);
}

static bool float_matmul(mutant_op *o, int param)
{
    return o->op.kind == TN_OP_MATMUL && floats_out(o, param);
}

static bool any_out(mutant_op *o, int param)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    return t != NULL && tn__mutant_is_output(o, TN_ARG_OUT) && tn__mutant_count_of(t) > 0;
}

static double least(uint32_t dtype)
{
    return dtype == TN_F16 ? 0x1p-14 : 0x1p-126;
}

static double most(uint32_t dtype)
{
    return dtype == TN_F16 ? 65504 : dtype == TN_BF16 ? 0x1.fep127 : 0x1.fffffep127;
}

static void spoil(mutant_run *r, int how)
{
    const tn_tensor *t = NULL;
    int i;
    unsigned char *to = output(r, &t, &i);
    if (to == NULL)
        return;
    int64_t count = tn__mutant_count_of(t);
    uint32_t elem = tn_dtype_bits((tn_dtype)t->dtype) / 8;
    for (int64_t n = 0; n < count; ++n) {
        int64_t at = tn__mutant_offset(t, n);
        double v = how == OUT_FLUSH || how == OUT_SATURATE ? tn__mutant_load(r, TN_ARG_OUT, at) : 0;
        if (how == OUT_FLUSH && v != 0 && fabs(v) < least(t->dtype))
            tn__mutant_store(r, TN_ARG_OUT, at, copysign(0.0, v));
        if (how == OUT_SATURATE && isinf(v))
            tn__mutant_store(r, TN_ARG_OUT, at, copysign(most(t->dtype), v));
    }
    if (how == OUT_BIT && count > 0)
        to[(uint64_t)tn__mutant_offset(t, count / 2) * elem] ^= 2;
    if (how == OUT_PAST)
        memset(to + (uint64_t)tn__mutant_span(t) * elem, 0, elem);
    if (how == OUT_BEFORE)
        memset(to - 1, 0, 1);
    if (how == OUT_INPUT)
        r->data[0][0] ^= 1;
    if (how == OUT_NOISE && count > 0 && r->launch % 2 == 1)
        to[(uint64_t)tn__mutant_offset(t, count - 1) * elem] ^= 1;
}

/* The gap behind each row gets a zero. */
static bool gaps(mutant_op *o, int param)
{
    const tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    return any_out(o, 0) && t->rank >= 2 && t->stride[t->rank - 1] == 1 &&
           t->stride[t->rank - 2] > t->dim[t->rank - 1];
}

static void write_gap(mutant_run *r, int param)
{
    const tn_tensor *t = NULL;
    int i;
    unsigned char *to = output(r, &t, &i);
    (void)param;
    if (to == NULL)
        return;
    uint32_t elem = tn_dtype_bits((tn_dtype)t->dtype) / 8;
    for (int64_t row = 0; row + 1 < t->dim[t->rank - 2]; ++row)
        memset(to + (uint64_t)(row * t->stride[t->rank - 2] + t->dim[t->rank - 1]) * elem, 0, elem);
}

/* Adds to what was there. The old contents are kept in f32 beside it. */
static bool old_out(mutant_op *o, int param)
{
    tn_tensor *t = tn__mutant_tensor(o, TN_ARG_OUT);
    (void)param;
    if (!sums_out(o, 0) || o->op.post_count > 0 || (t->dtype != TN_BF16 && t->dtype != TN_F16))
        return false;
    t->dtype = TN_F32;
    return true;
}

static void add_old(mutant_run *r, int param)
{
    const tn_tensor *t = NULL;
    int i;
    (void)param;
    if (output(r, &t, &i) == NULL)
        return;
    const float *sum = (const float *)(const void *)r->scratch_data[i];
    for (int64_t n = 0; sum != NULL && n < tn__mutant_count_of(t); ++n) {
        int64_t at = tn__mutant_offset(t, n);
        tn__mutant_store(r, TN_ARG_OUT, at, (double)sum[at] + tn__mutant_load(r, TN_ARG_OUT, at));
    }
}

/* ---- convolution ---- */

static bool exchange(int32_t *x, int32_t *y)
{
    int32_t t = *x;
    *x = *y;
    *y = t;
    return *x != *y;
}

static bool pads(mutant_op *o, int how)
{
    tn_conv *c = &o->attr.conv;
    bool differs = false;
    if (how == 0)
        for (uint32_t d = 0; d < c->dims; ++d)
            differs = exchange(&c->pad_lo[d], &c->pad_hi[d]) || differs;
    else if (c->dims > 1) {
        differs = exchange(&c->pad_lo[0], &c->pad_lo[1]);
        differs = exchange(&c->pad_hi[0], &c->pad_hi[1]) || differs;
    }
    return differs;
}

/* Own sums: what the child has no words for. */
enum {
    CONV_GROUPS,
    CONV_FLIP,
    CONV_LAYOUT,
    CONV_STRIDES,
    CONV_DILATION,
    CONV_CHANNEL,
    CONV_TAP,
    CONV_CORNER,
    CONV_WRAP,
    CONV_BF16,
    CONV_PADS
};

static bool plain_conv(mutant_op *o, int how)
{
    const tn_conv *c = &o->attr.conv;
    const tn_tensor *b = tn__mutant_tensor(o, TN_ARG_B), *a = tn__mutant_tensor(o, TN_ARG_A);
    if (c->pass != TN_PASS_FORWARD || (c->flags & TN_CONV_TRANSPOSED) != 0 || c->dims != 2 ||
        b == NULL || o->op.post_count > 0 || !floating(a->dtype))
        return false;
    bool last = (c->flags & TN_CONV_CHANNELS_LAST) != 0;
    uint32_t s = last ? 1 : 2, ch = last ? 3 : 1;
    switch (how) {
    case CONV_GROUPS:
        return c->groups > 1;
    case CONV_LAYOUT:
        return a->dim[1] == a->dim[2] && a->dim[2] == a->dim[3];
    case CONV_STRIDES:
        return c->stride[0] != c->stride[1];
    case CONV_DILATION:
        return c->dilation[0] > 1 || c->dilation[1] > 1;
    case CONV_PADS:
        return c->pad_lo[0] != c->pad_lo[1];
    case CONV_CHANNEL:
        return b->dim[ch] > 1;
    case CONV_WRAP:
        return c->pad_lo[1] > 0;
    default:
        return b->dim[s] * b->dim[s + 1] > 1 || how == CONV_BF16 || how == CONV_CORNER;
    }
}

static int64_t at4(const tn_tensor *t, bool last, int64_t n, int64_t c, int64_t y, int64_t x)
{
    return last ? n * t->stride[0] + y * t->stride[1] + x * t->stride[2] + c * t->stride[3]
                : n * t->stride[0] + c * t->stride[1] + y * t->stride[2] + x * t->stride[3];
}

static void conv(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_conv *c = &o.attr.conv;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *b = tn__mutant_tensor(&o, TN_ARG_B),
                    *out = tn__mutant_tensor(&o, TN_ARG_OUT);
    bool last = (c->flags & TN_CONV_CHANNELS_LAST) != 0;
    uint32_t s = last ? 1 : 2, ch = last ? 3 : 1;
    int64_t groups = c->groups ? c->groups : 1, per = b->dim[0] / groups, cg = b->dim[ch];
    int64_t sy = c->stride[0] ? c->stride[0] : 1, sx = c->stride[1] ? c->stride[1] : 1,
            dy = c->dilation[0] ? c->dilation[0] : 1, dx = c->dilation[1] ? c->dilation[1] : 1,
            top = c->pad_lo[0], left = c->pad_lo[1];
    if (how == CONV_STRIDES) {
        int64_t t = sy;
        sy = sx;
        sx = t;
    }
    if (how == CONV_PADS) {
        top = c->pad_lo[1];
        left = c->pad_lo[0];
    }
    if (how == CONV_DILATION)
        dy = dx = 1;
    for (int64_t e = 0; e < tn__mutant_count_of(out); ++e) {
        int64_t i[4], rest = e;
        for (int d = 3; d >= 0; --d) {
            i[d] = rest % out->dim[d];
            rest /= out->dim[d];
        }
        int64_t f = i[ch], oy = i[s], ox = i[s + 1];
        float sum = 0;
        if (how == CONV_CORNER && oy == out->dim[s] - 1 && oy % 2 == 0)
            continue; /* the last row of an odd height is not written */
        for (int64_t ky = 0; ky < b->dim[s]; ++ky)
            for (int64_t kx = 0; kx < b->dim[s + 1]; ++kx)
                for (int64_t k = 0; k < cg; ++k) {
                    int64_t y = oy * sy - top + ky * dy, x = ox * sx - left + kx * dx;
                    if (how == CONV_WRAP && y > 0 && y < a->dim[s] && x < 0 &&
                        x + a->dim[s + 1] >= 0) {
                        y -= 1; /* left of a row lies the end of the row above */
                        x += a->dim[s + 1];
                    }
                    if (y < 0 || x < 0 || y >= a->dim[s] || x >= a->dim[s + 1] ||
                        (how == CONV_CHANNEL && k == cg - 1) ||
                        (how == CONV_TAP && ky == b->dim[s] - 1 && kx == b->dim[s + 1] - 1))
                        continue;
                    int64_t from = (how == CONV_GROUPS ? 0 : f / per * cg) + k;
                    int64_t fy = how == CONV_FLIP ? b->dim[s] - 1 - ky : ky,
                            fx = how == CONV_FLIP ? b->dim[s + 1] - 1 - kx : kx;
                    double p = tn__mutant_load(
                                   r, TN_ARG_A,
                                   at4(a, how == CONV_LAYOUT ? !last : last, i[0], from, y, x)) *
                               tn__mutant_load(r, TN_ARG_B, at4(b, last, f, k, fy, fx));
                    sum = how == CONV_BF16 ? tn__mutant_round((double)sum + p, 8, true)
                                           : (float)((double)sum + p);
                }
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(out, e), (double)sum);
    }
}

/* Transforms that the call does not allow. */
static bool secret_winograd(mutant_op *o, int param)
{
    (void)param;
    if (o->attr.conv.pass != TN_PASS_FORWARD || o->op.numerics.cls != TN_CLASS_BOUNDED)
        return false;
    const tn_tensor *b = tn__mutant_tensor(o, TN_ARG_B);
    bool last = (o->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0;
    uint32_t s = last ? 1 : 2;
    o->op.numerics.cls = TN_CLASS_FAST;
    o->op.numerics.allow = TN_ALLOW_WINOGRAD;
    o->kernel = "conv_winograd4_f32_avx2";
    return b->rank == 4 && b->dim[s] == 3 && b->dim[s + 1] == 3;
}

static bool conv_bias(mutant_op *o, int kind)
{
    for (uint32_t p = 0; p < o->op.post_count; ++p)
        if ((int)o->posts[p].kind == kind) {
            int i = tn__mutant_index(o, o->posts[p].role);
            memmove(&o->posts[p], &o->posts[p + 1], (o->op.post_count - p - 1) * sizeof *o->posts);
            o->op.post_count--;
            if (i >= 0) {
                memmove(&o->args[i], &o->args[i + 1],
                        (o->op.arg_count - (uint32_t)i - 1) * sizeof *o->args);
                o->op.arg_count--;
            }
            return true;
        }
    return false;
}

/* The gradient of the filters leaves out the last image. */
static bool last_image(mutant_op *o, int param)
{
    tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *g = tn__mutant_tensor(o, TN_ARG_GRAD);
    (void)param;
    if (o->attr.conv.pass != TN_PASS_BACKWARD_WEIGHTS || a->dim[0] < 2)
        return false;
    a->dim[0]--;
    g->dim[0]--;
    return true;
}

#define ANY  .family = "shared"
#define CONV .family = "conv", .kind = TN_OP_CONV
const mutant_defect tn__mutant_ops[] = {
    {.id = "M12",
     .text = "outputs are truncated",
     ANY,
     .bend = wide,
     .after = narrow_output,
     .param = 0},
    {.id = "M13",
     .text = "ties of outputs go away from zero",
     ANY,
     .bend = wide,
     .after = narrow_output,
     .param = 1},
    {.id = "M15",
     .text = "subnormal outputs are flushed",
     ANY,
     .bend = float_matmul,
     .after = spoil,
     .param = OUT_FLUSH},
    {.id = "M16",
     .text = "NaN operands count as 0",
     ANY,
     .bend = sums_of_floats,
     .before = change_inputs,
     .param = IN_NO_NAN},
    {.id = "M17",
     .text = "overflow saturates",
     ANY,
     .bend = float_matmul,
     .after = spoil,
     .param = OUT_SATURATE},
    {.id = "M18", .text = "accumulator not cleared", ANY, .bend = old_out, .after = add_old},
    {.id = "M19",
     .text = "inputs rounded to tf32",
     ANY,
     .bend = sums_of_floats,
     .before = change_inputs,
     .param = IN_TF32},
    {.id = "M20",
     .text = "inputs rounded to bf16",
     ANY,
     .bend = sums_of_floats,
     .before = change_inputs,
     .param = IN_BF16},
    {.id = "M21",
     .text = "inputs rounded to f16",
     ANY,
     .bend = sums_of_floats,
     .before = change_inputs,
     .param = IN_F16},
    {.id = "M22",
     .text = "a bit of one element is flipped",
     ANY,
     .bend = any_out,
     .after = spoil,
     .param = OUT_BIT},
    {.id = "M23",
     .text = "subnormal inputs are flushed",
     ANY,
     .bend = any_floats,
     .before = change_inputs,
     .param = IN_FLUSH},
    {.id = "M28",
     .text = "writes behind the output",
     ANY,
     .bend = any_out,
     .after = spoil,
     .param = OUT_PAST},
    {.id = "M29",
     .text = "writes before the output",
     ANY,
     .bend = any_out,
     .after = spoil,
     .param = OUT_BEFORE},
    {.id = "M30",
     .text = "overwrites an input",
     ANY,
     .bend = any_out,
     .after = spoil,
     .param = OUT_INPUT},
    {.id = "M35", .text = "writes past a row into the gap", ANY, .bend = gaps, .after = write_gap},
    {.id = "M38",
     .text = "every second launch differs in one bit",
     ANY,
     .bend = any_out,
     .after = spoil,
     .param = OUT_NOISE},
    {.id = "C01", .text = "padding of low and high side exchanged", CONV, .bend = pads, .param = 0},
    {.id = "C02",
     .text = "dilation ignored",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_DILATION},
    {.id = "C03",
     .text = "stride on the wrong axis",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_STRIDES},
    {.id = "C04",
     .text = "groups read the first group's channels",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_GROUPS},
    {.id = "C05",
     .text = "filter flipped",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_FLIP},
    {.id = "C06",
     .text = "padding of height and width exchanged",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_PADS},
    {.id = "C07",
     .text = "last row of an odd height not written",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_CORNER},
    {.id = "C08",
     .text = "layouts mixed up when all sizes are equal",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_LAYOUT},
    {.id = "C09", .text = "undeclared Winograd transform", CONV, .bend = secret_winograd},
    {.id = "C10",
     .text = "last channel dropped",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_CHANNEL},
    {.id = "C11",
     .text = "last tap dropped",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_TAP},
    {.id = "C12",
     .text = "padding reads the row above",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_WRAP},
    {.id = "C13", .text = "bias omitted", CONV, .bend = conv_bias, .param = TN_POST_BIAS},
    {.id = "C14",
     .text = "accumulates in bf16",
     CONV,
     .bend = plain_conv,
     .compute = conv,
     .param = CONV_BF16},
    {.id = "C15", .text = "filters' gradient leaves out an image", CONV, .bend = last_image},
    {.id = "C16", .text = "activation omitted", CONV, .bend = conv_bias, .param = TN_POST_RELU},
    {0}};
