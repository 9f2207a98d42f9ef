/* SPDX-License-Identifier: Apache-2.0 */
/* Defects that are small: a few units in the last place, one range of a function, one value of an
 * operand, a store that comes late. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>
#include <time.h>

enum {
    SCALE_MATMUL = 1,
    SCALE_SOFTMAX,
    SCALE_NORM,
    COLUMN_TAIL,
    EXP_FAR,
    TANH_SMALL,
    LOG_ONE,
    SQRT_TINY,
    GELU_TAIL,
    INDEX_32_BITS,
    WORD_CAST,
    WIDE_CAST,
    SCAN_CARRY,
    ROPE_FAR,
    POINT_STRIDED,
    FILTERS_TWICE,
    QUANT_NAN,
    GROUP_ZERO,
    DIV_BY_RECIPROCAL,
    FMA_APART,
    POOL_NAN,
    LAUNCH_300,
    LATE_STORE,
    F8_CAST,
    STATS_LAST
};

static const tn_arg *arg_of(const mutant_op *o, uint32_t role)
{
    int i = tn__mutant_index(o, role);
    return i < 0 ? NULL : &o->args[i];
}

static bool meets(mutant_op *o, int which)
{
    const tn_arg *a = arg_of(o, TN_ARG_A), *out = arg_of(o, TN_ARG_OUT), *b = arg_of(o, TN_ARG_B);
    if (which == LAUNCH_300 || which == LATE_STORE)
        return out != NULL && tn__mutant_is_output(o, TN_ARG_OUT) && out->tensor.layout == 0;
    if (which == STATS_LAST)
        return arg_of(o, TN_ARG_STATS) != NULL && o->attr.attention.pass == TN_PASS_FORWARD;
    if (a == NULL || out == NULL || a->tensor.rank < 1)
        return false;
    const tn_tensor *t = &a->tensor;
    int64_t last = t->dim[t->rank - 1];
    const tn_conv *c = &o->attr.conv;
    bool single = t->dtype == TN_F32;
    switch (which) {
    case SCALE_MATMUL:
        return single && out->tensor.dtype == TN_F32 && out->tensor.dim[out->tensor.rank - 1] > 64;
    case SCALE_SOFTMAX:
        return single && last > 256 && o->attr.softmax.log == 0;
    case SCALE_NORM:
        return single && last > 300;
    case COLUMN_TAIL:
        return t->rank == 2 && o->attr.reduce.axes_mask == 1 && t->dim[0] % 8 == 1 &&
               o->attr.reduce.kind == TN_REDUCE_SUM && t->dim[0] > 1;
    case EXP_FAR:
        return single && o->attr.eltwise.kind == TN_ELTWISE_EXP;
    case TANH_SMALL:
        return single && o->attr.eltwise.kind == TN_ELTWISE_TANH;
    case LOG_ONE:
        return single && o->attr.eltwise.kind == TN_ELTWISE_LOG;
    case SQRT_TINY:
        return single && o->attr.eltwise.kind == TN_ELTWISE_SQRT;
    case GELU_TAIL:
        return single && o->attr.eltwise.kind == TN_ELTWISE_GELU;
    case DIV_BY_RECIPROCAL:
        return single && o->attr.eltwise.kind == TN_ELTWISE_DIV;
    case FMA_APART:
        return single && o->attr.eltwise.kind == TN_ELTWISE_FMA;
    case INDEX_32_BITS:
        return arg_of(o, TN_ARG_INDEX) != NULL && arg_of(o, TN_ARG_INDEX)->tensor.dtype == TN_S64;
    case WORD_CAST:
        return t->dtype == TN_S64 && out->tensor.dtype == TN_S32;
    case WIDE_CAST:
        return t->dtype == TN_F64 && out->tensor.dtype == TN_F32;
    case F8_CAST:
        return single && out->tensor.dtype == TN_F8E4M3;
    case SCAN_CARRY:
        return o->attr.axis.axis >= 0 && t->dim[o->attr.axis.axis] > 64;
    case ROPE_FAR:
        return true;
    case POINT_STRIDED:
        return b != NULL && c->dims == 2 && c->stride[0] > 1 && c->pass == TN_PASS_FORWARD &&
               b->tensor.dim[2] == 1;
    case FILTERS_TWICE:
        return b != NULL && c->groups > 1 && b->tensor.dim[0] == 2 * (int64_t)c->groups;
    case GROUP_ZERO:
        return o->attr.axis.param > 0 && arg_of(o, TN_ARG_ZERO_OF + TN_ARG_A) != NULL;
    case QUANT_NAN:
        return arg_of(o, TN_ARG_ZERO_OF + TN_ARG_OUT) != NULL;
    default:
        return o->attr.pool.kind == TN_POOL_MAX && single;
    }
}

static double input(const mutant_run *r, uint32_t role, const tn_tensor *out, int64_t n)
{
    const tn_tensor *t = &arg_of(&r->plan->right, role)->tensor;
    int64_t at = 0, i[TN_MAX_RANK];
    for (uint32_t d = out->rank; d-- > 0; n /= out->dim[d] > 0 ? out->dim[d] : 1)
        i[d] = out->dim[d] > 0 ? n % out->dim[d] : 0;
    for (uint32_t d = 0; d < t->rank && t->rank <= out->rank; ++d)
        at += t->dim[d] > 1 ? i[out->rank - t->rank + d] * t->stride[d] : 0;
    return tn__mutant_load(r, role, at);
}

static double wrong(const mutant_run *r, int which, const tn_tensor *out, int64_t n, double v)
{
    bool same = which >= EXP_FAR && which <= WIDE_CAST && which != INDEX_32_BITS;
    same = same || which == DIV_BY_RECIPROCAL || which == FMA_APART || which == QUANT_NAN ||
           which == F8_CAST;
    double x = same ? input(r, TN_ARG_A, out, n) : 0;
    switch (which) {
    case SCALE_MATMUL:
        return v * (1 + 0x1p-19);
    case SCALE_SOFTMAX:
        return v * (1 + 0x1p-16);
    case SCALE_NORM:
        return v * (1 + 0x1p-15);
    case EXP_FAR:
        return x > 60 ? v * (1 + 0x1p-19) : v;
    case TANH_SMALL:
        return fabs(x) < 0.01 ? x : v;
    case LOG_ONE:
        return fabs(x - 1) < 0.01 ? v + 0x1p-22 : v;
    case SQRT_TINY:
        return x > 0 && x < 0x1p-126 ? 0 : v;
    case GELU_TAIL:
        return x < -5 ? 0 : v;
    case DIV_BY_RECIPROCAL:
        return (double)((float)x * (1.0f / (float)input(r, TN_ARG_B, out, n)));
    case FMA_APART:
        return (double)((float)((float)x * (float)input(r, TN_ARG_B, out, n)) +
                        (float)input(r, TN_ARG_C, out, n));
    case WORD_CAST:
        return x > 2147483647.0 ? 2147483647.0 : x < -2147483648.0 ? -2147483648.0 : v;
    case WIDE_CAST:
        return isfinite(v) && isfinite(x) && fabs(v) > fabs(x) ? (double)nextafterf((float)v, 0)
                                                               : v;
    case F8_CAST:
        return isnan(v) && !isnan(x) ? (x > 0 ? 448 : -448) : v;
    case QUANT_NAN:
        return isnan(x) ? 0 : v;
    default:
        return v;
    }
}

static bool any(const mutant_run *r, uint32_t role, double above)
{
    const tn_tensor *t = &arg_of(&r->plan->right, role)->tensor;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        double v = tn__mutant_load(r, role, tn__mutant_offset(t, n));
        if (v > above || (isnan(above) && isnan(v)))
            return true;
    }
    return false;
}

static void spoil(mutant_run *r, uint32_t role)
{
    const tn_tensor *t = &arg_of(&r->plan->right, role)->tensor;
    int64_t n = tn__mutant_count_of(t), at = n > 0 ? tn__mutant_offset(t, n - 1) : 0;
    double v = n > 0 ? tn__mutant_load(r, role, at) : 0;
    if (n > 0)
        tn__mutant_store(r, role, at, isfinite(v) && fabs(v) < 60 ? v + 1 : 0);
}

typedef struct late {
    unsigned char *to, old;
} late;

static void *store_late(void *arg)
{
    struct timespec t = {0, 300000};
    late l = *(late *)arg;
    nanosleep(&t, NULL);
    *l.to = l.old;
    return NULL;
}

/* The first byte of the output is stored once more, after the launch is said to be done. */
static void come_late(mutant_run *r)
{
    static _Thread_local late l;
    mutant_device *d = r->plan->device;
    int i = tn__mutant_index(&r->plan->right, TN_ARG_OUT);
    if (tn__mutant_count_of(&r->plan->right.args[i].tensor) == 0)
        return;
    tn__mutant_join(d);
    l = (late){r->data[i], *r->data[i]};
    *r->data[i] ^= 0x40;
    pthread_mutex_lock(&d->mutex);
    d->is_late = pthread_create(&d->late, NULL, store_late, &l) == 0;
    pthread_mutex_unlock(&d->mutex);
}

static void after(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    switch (which) {
    case LATE_STORE:
        come_late(r);
        return;
    case LAUNCH_300:
        if (r->launch % 300 == 299)
            spoil(r, TN_ARG_OUT);
        return;
    case STATS_LAST:
        spoil(r, TN_ARG_STATS);
        return;
    case SCAN_CARRY:
    case POINT_STRIDED:
    case FILTERS_TWICE:
    case GROUP_ZERO:
        spoil(r, TN_ARG_OUT);
        return;
    case ROPE_FAR:
        if (any(r, TN_ARG_INDEX, 8192))
            spoil(r, TN_ARG_OUT);
        return;
    case INDEX_32_BITS:
        if (any(r, TN_ARG_INDEX, 0x1p31))
            spoil(r, TN_ARG_OUT);
        return;
    case POOL_NAN:
        if (any(r, TN_ARG_A, NAN))
            spoil(r, TN_ARG_OUT);
        return;
    default:
        break;
    }
    const tn_tensor *out = &arg_of(o, TN_ARG_OUT)->tensor, *a = &arg_of(o, TN_ARG_A)->tensor;
    for (int64_t n = 0; n < tn__mutant_count_of(out); ++n) {
        int64_t at = tn__mutant_offset(out, n);
        double was = tn__mutant_load(r, TN_ARG_OUT, at), v = wrong(r, which, out, n, was);
        if (which == COLUMN_TAIL)
            v -= tn__mutant_load(r, TN_ARG_A,
                                 (a->dim[0] - 1) * a->stride[0] + n % a->dim[1] * a->stride[1]);
        if (v != was && !(isnan(v) && isnan(was)))
            tn__mutant_store(r, TN_ARG_OUT, at, v);
    }
}

#define OF(op) .family = "subtle", .kind = TN_OP_##op, .bend = meets, .after = after
const mutant_defect tn__mutant_subtle[] = {
    {.id = "W01", .text = "sums are off by 2^-19", OF(MATMUL), .param = SCALE_MATMUL},
    {.id = "W02", .text = "softmax is off by 2^-16", OF(SOFTMAX), .param = SCALE_SOFTMAX},
    {.id = "W03", .text = "norms are off by 2^-15", OF(NORM), .param = SCALE_NORM},
    {.id = "W04", .text = "last row of 8 n + 1 left out", OF(REDUCE), .param = COLUMN_TAIL},
    {.id = "W05", .text = "exp above 60 is off by 2^-19", OF(ELTWISE), .param = EXP_FAR},
    {.id = "W06", .text = "tanh of small x is x", OF(ELTWISE), .param = TANH_SMALL},
    {.id = "W07", .text = "log near 1 is off by 2^-22", OF(ELTWISE), .param = LOG_ONE},
    {.id = "W08", .text = "sqrt of subnormals is 0", OF(ELTWISE), .param = SQRT_TINY},
    {.id = "W09", .text = "gelu below -5 is 0", OF(ELTWISE), .param = GELU_TAIL},
    {.id = "W10", .text = "indices have 32 bits", OF(GATHER), .param = INDEX_32_BITS},
    {.id = "W11", .text = "s64 to s32 saturates", OF(COPY), .param = WORD_CAST},
    {.id = "W12", .text = "f64 to f32 truncates", OF(COPY), .param = WIDE_CAST},
    {.id = "W13", .text = "scan above 64 wrong", OF(SCAN), .param = SCAN_CARRY},
    {.id = "W14", .text = "rope above 8192 tokens wrong", OF(ROPE), .param = ROPE_FAR},
    {.id = "W15", .text = "strided 1 x 1 filters wrong", OF(CONV), .param = POINT_STRIDED},
    {.id = "W16", .text = "two filters a group wrong", OF(CONV), .param = FILTERS_TWICE},
    {.id = "W17", .text = "a NaN is quantised to 0", OF(QUANTIZE), .param = QUANT_NAN},
    {.id = "W18", .text = "zeros of groups wrong", OF(DEQUANTIZE), .param = GROUP_ZERO},
    {.id = "W19", .text = "divides by reciprocals", OF(ELTWISE), .param = DIV_BY_RECIPROCAL},
    {.id = "W20", .text = "fma rounds twice", OF(ELTWISE), .param = FMA_APART},
    {.id = "W21", .text = "max pool of a NaN wrong", OF(POOL), .param = POOL_NAN},
    {.id = "W22",
     .text = "one launch of 300 is wrong",
     .family = "launches",
     .bend = meets,
     .after = after,
     .param = LAUNCH_300},
    {.id = "W23",
     .text = "a store comes after the launch",
     .family = "launches",
     .bend = meets,
     .after = after,
     .param = LATE_STORE},
    {.id = "W24", .text = "f8e4m3 saturates unasked", OF(COPY), .param = F8_CAST},
    {.id = "W25", .text = "last statistic wrong", OF(ATTENTION), .param = STATS_LAST},
    {0}};
