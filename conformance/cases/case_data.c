/* SPDX-License-Identifier: Apache-2.0 */
/* Data of cases by class: what every op has in common, and the row ops. Sums are in case_sums.c. */
#include <conformance/cases/case_fill.h>

#include <kernels/common/probe.h>
#include <string.h>

double tn_v_fit(const tn_tensor *t, double v)
{
    if (isinf(v) && tn_v_format_of((tn_dtype)t->dtype).has_infinity)
        return v;
    return tn_v_rounded((tn_dtype)t->dtype, v, TN_V_NEAREST_EVEN, true);
}

bool tn_v_integer(const tn_tensor *t)
{
    return t->dtype >= TN_S64 && t->dtype <= TN_U4;
}

int64_t tn_v_count(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < t->rank; ++d)
        n *= t->dim[d];
    return n;
}

/* An integer that its type and every sum of a few of them hold; wide: the ends of its range. */
static double small_integer(const tn_tensor *t, bool wide, tn_v_random *r)
{
    static const double end[2][4] = {{0, 255, 255, 254}, {-128, 127, -128, -127}};
    if (wide && (t->dtype == TN_U8 || t->dtype == TN_S8))
        return end[t->dtype == TN_S8][tn_v_below(r, 4)];
    switch (t->dtype) {
    case TN_U8:
        return (double)tn_v_below(r, 256);
    case TN_S8:
        return (double)tn_v_below(r, 256) - 128;
    case TN_BOOL:
        return (double)tn_v_below(r, 2);
    default:
        return (double)tn_v_below(r, 2000001) - 1000000;
    }
}

double tn_v_value(const tn_tensor *t, tn_v_data data, tn_v_random *r)
{
    if (tn_v_integer(t) || t->dtype == TN_BOOL)
        return small_integer(t, data == TN_V_WIDE, r);
    double v;
    switch (data) {
    case TN_V_POSITIVE:
        v = 0.5 + 0.5 * tn_v_uniform(r);
        break;
    case TN_V_WIDE:
        v = (tn_v_next(r) & 1 ? -1 : 1) * exp2(12 * tn_v_uniform(r) - 6);
        break;
    case TN_V_BIG:
        v = 1e4 + tn_v_normal(r);
        break;
    case TN_V_HUGE: { /* the product of two of them is in the range, too */
        double reach = (ilogb(tn_v_format_of((tn_dtype)t->dtype).max) - 12) / 2.0;
        reach = reach < 1 ? 1 : reach;
        v = (tn_v_next(r) & 1 ? -1 : 1) * exp2(reach * (2 * tn_v_uniform(r) - 1));
        break;
    }
    default:
        v = tn_v_normal(r);
        break;
    }
    return tn_v_fit(t, v);
}

/* Values that functions and comparisons treat apart; they meet any value of another operand. */
static double odd_value(const tn_tensor *t, tn_v_random *r)
{
    static const double floats[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 1, -1, 0x1p-140};
    tn_v_format f = tn_v_format_of((tn_dtype)t->dtype);
    int64_t which = tn_v_below(r, 10);
    if (which >= 8 || !f.floating)
        return which % 2 == 0 ? f.max : f.min;
    return tn_v_fit(t, floats[which]);
}

/* Bits of every pattern of a 16-bit type, or a stratified sample of all bits of f32. */
static double pattern(const tn_tensor *t, int64_t i, int64_t count, tn_v_random *r)
{
    unsigned char bytes[8] = {0};
    uint32_t bits = tn_dtype_bits((tn_dtype)t->dtype);
    if (bits == 64 && t->dtype != TN_F64) /* what a double holds of them, of any magnitude */
        return trunc((tn_v_next(r) & 1 ? -1 : 1) * exp2(52.9 * tn_v_uniform(r)));
    if (bits == 64) { /* casts have to round, overflow and underflow */
        static const double odd[] = {NAN,      INFINITY,       -INFINITY,   -0.0,
                                     0x1p-140, 0x1p-150,       1e300,       -1e-300,
                                     65519.9,  0x1.ffffffp127, 1 + 0x1p-24, 0x1p-25};
        return i % 3 == 0 ? odd[tn_v_below(r, 12)]
                          : (tn_v_next(r) & 1 ? -1 : 1) * exp2(400 * tn_v_uniform(r) - 200);
    }
    uint64_t all = 1ull << bits, step = all / (uint64_t)(count > 0 ? count : 1);
    uint64_t at = step > 1 ? (uint64_t)i * step + tn_v_next(r) % step : (uint64_t)i % all;
    static const uint32_t f32[] = {0x0,        0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                   0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0x3f800000,
                                   0xbf800000, 0x42b17218, 0xc2aeac50, 0xc2cff1b5};
    if (t->dtype == TN_F32 && (uint64_t)i < sizeof f32 / sizeof f32[0])
        at = f32[i];
    memcpy(bytes, &at, sizeof at);
    return tn_v_decode((tn_dtype)t->dtype, bytes);
}

/* Numbers half-way between neighbours of the output's type, and just off. */
static double tie(const tn_tensor *t, const tn_tensor *out, bool quantised, tn_v_random *r)
{
    tn_v_format f = tn_v_format_of((tn_dtype)out->dtype);
    if (quantised) /* the scale is 2^-5 */
        return tn_v_fit(t, ((double)tn_v_below(r, 64) - 32 + 0.5) * 0x1p-5);
    int p = f.floating ? f.precision : 4;
    double m = ldexp(1.0, p - 1) + (double)tn_v_below(r, 1ll << (p - 1 < 30 ? p - 1 : 30)) + 0.5;
    static const double off[] = {0, 0, 0x1p-6, -0x1p-6, 0.25, -0.25};
    double v = m + off[tn_v_below(r, 6)];
    int64_t span = f.floating ? -f.exponent_min : 4;
    v = f.floating ? ldexp(v, (int)tn_v_below(r, span < 20 ? 2 * span : 40) -
                                  (span < 20 ? (int)span : 20) - p)
                   : v;
    v = tn_v_next(r) & 1 ? -v : v;
    return tn_v_fit(t, !f.floating && !f.is_signed ? fabs(v) : v);
}

void tn_v_all(const tn_v_fill_call *f, uint32_t arg, tn_v_data data, tn_v_random *r)
{
    const tn_tensor *t = &f->op->args[arg].tensor;
    int64_t n = tn_v_count(t);
    for (int64_t i = 0; i < n; ++i)
        f->value[arg][i] = tn_v_value(t, data, r);
}

int tn_v_find(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role)
            return (int)i;
    return -1;
}

/* Operands that are not terms: scales, zeros, masks, lengths, indices, statistics. */
static bool side_operand(const tn_v_fill_call *f, uint32_t arg, tn_v_random *r)
{
    const tn_arg *a = &f->op->args[arg];
    const tn_tensor *t = &a->tensor;
    int64_t n = tn_v_count(t);
    double *v = f->value[arg];
    if (a->role >= TN_ARG_ZERO_OF) {
        for (int64_t i = 0; i < n; ++i)
            v[i] = tn_v_fit(t, (double)tn_v_below(r, 21) - (t->dtype == TN_U8 ? 0 : 10));
        return true;
    }
    if (a->role >= TN_ARG_SCALE_OF) {
        for (int64_t i = 0; i < n; ++i)
            v[i] = f->which->data == TN_V_TIES
                       ? 0x1p-5
                       : tn_v_fit(t, (0.5 + tn_v_uniform(r)) *
                                         (f->op->kind == TN_OP_QUANTIZE &&
                                                  a->role == TN_ARG_SCALE_OF + TN_ARG_OUT
                                              ? 0x1p-5
                                              : 0x1p-6));
        return true;
    }
    if (a->role == TN_ARG_MASK) {
        int64_t keys = t->dim[t->rank - 1], rows = keys > 0 ? n / keys : 0;
        for (int64_t i = 0; i < n; ++i) {
            bool part = i / keys != rows / 2 && tn_v_below(r, 10) < 7; /* one row is all masked */
            v[i] = t->dtype == TN_BOOL ? part : part ? tn_v_fit(t, tn_v_normal(r)) : -INFINITY;
        }
        return true;
    }
    if (a->role == TN_ARG_LENGTHS) {
        int64_t keys = f->keys;
        for (int64_t i = 0; i < n; ++i)
            v[i] = (double)(keys - tn_v_below(r, keys / 2 + 1));
        return true;
    }
    if (a->role == TN_ARG_INDEX && f->op->kind == TN_OP_ROPE) {
        for (int64_t i = 0; i < n; ++i) /* places, a few of them far away or before the start */
            v[i] = tn_v_below(r, 8) == 0 ? (double)(tn_v_below(r, 200000) - 9000)
                                         : (double)tn_v_below(r, 3000);
        return true;
    }
    if (a->role == TN_ARG_PAGES) { /* a mixed order; now and then no page at all */
        int64_t pages = f->op->args[tn_v_find(f->op, TN_ARG_K)].tensor.dim[0];
        int64_t first = tn_v_below(r, pages);
        for (int64_t i = 0; i < n; ++i)
            v[i] = i > 0 && tn_v_below(r, 7) == 0 ? -1 : (double)((first + 5 * i) % pages);
        return true;
    }
    if (a->role == TN_ARG_FREQ) {
        for (int64_t i = 0; i < n; ++i)
            v[i] = tn_v_fit(t, exp2(-13.0 * (double)i / (double)n));
        return true;
    }
    if (a->role == TN_ARG_INDEX && f->op->kind == TN_OP_GATHER) {
        const tn_axis *axis = f->op->attr;
        int of = tn_v_find(f->op, TN_ARG_A); /* the gradient has no table, but its OUT is one */
        const tn_tensor *table = &f->op->args[of < 0 ? tn_v_find(f->op, TN_ARG_OUT) : of].tensor;
        int64_t dim = table->dim[axis->axis < 0 ? axis->axis + table->rank : axis->axis];
        for (int64_t i = 0; i < n; ++i) /* from the end, and a few out of range */
            v[i] = (double)(tn_v_below(r, 2 * dim + 2) - dim - 1) +
                   (t->dtype == TN_S64 && tn_v_below(r, 9) == 0 ? 0x1p32 : 0);
        return true;
    }
    if (a->role == TN_ARG_STATS && f->op->kind == TN_OP_NORM) {
        for (int64_t i = 0; i < n; ++i)
            v[i] = tn_v_fit(t, i < n / 2 ? tn_v_normal(r) : 0.25 + tn_v_uniform(r));
        return true;
    }
    return false;
}

/* Rows of softmax and norms: data that their short cuts do not survive. */
static void row_data(const tn_v_fill_call *f, uint32_t arg, tn_v_data data, tn_v_random *r)
{
    const tn_tensor *t = &f->op->args[arg].tensor;
    int64_t n = tn_v_count(t), dim = t->rank > 0 ? t->dim[t->rank - 1] : 1;
    double *v = f->value[arg];
    bool softmax = f->op->kind == TN_OP_SOFTMAX, main = f->op->args[arg].role == TN_ARG_A;
    for (int64_t i = 0; i < n; ++i) {
        double x = tn_v_normal(r);
        if (!main)
            ;
        else if (data == TN_V_BIG)
            x = softmax ? 200 * x : (t->dtype == TN_F16 ? 1e3 : 1e4) + x;
        else if (data == TN_V_RISE)
            x += 40.0 * (double)(i % dim) / (double)dim;
        else if (data == TN_V_EDGE) /* softmax: ties at the top; norms: variance far below eps */
            x = softmax ? (double)tn_v_below(r, 3) : x * 0x1p-9;
        else if (data == TN_V_WIDE)
            x = (tn_v_next(r) & 1 ? -1 : 1) * exp2(12 * tn_v_uniform(r) - 6);
        else if (data == TN_V_POSITIVE)
            x = fabs(x) + 0.5;
        else if (softmax)
            x *= 4;
        v[i] = tn_v_fit(t, x);
    }
    if (data == TN_V_SPECIAL && main)
        for (int64_t i = 0; dim > 0 && i < n / dim; ++i) {
            static const double odd[] = {NAN,  INFINITY, -INFINITY, 0.0,
                                         -0.0, 0x1p-140, 3e38,      -3e38};
            v[i * dim + tn_v_below(r, dim)] = tn_v_fit(t, odd[i % 8]);
        }
}

/* The statistics and the output that a forward call would have handed over. */
static bool forward_of_backward(const tn_v_fill_call *f)
{
    int out = tn_v_find(f->op, TN_ARG_OUT), stats = tn_v_find(f->op, TN_ARG_STATS);
    if (f->op->kind != TN_OP_ATTENTION || out < 0 || stats < 0 || f->value[out] == NULL ||
        f->value[stats] == NULL)
        return true;
    tn_attention attr = *(const tn_attention *)f->op->attr;
    attr.pass = TN_PASS_FORWARD;
    tn_arg args[TN_V_ARGS];
    tn_v_call call;
    memset(&call, 0, sizeof call);
    tn_op op = *f->op;
    op.attr = &attr;
    op.args = args;
    op.arg_count = 0;
    for (uint32_t i = 0; i < f->op->arg_count; ++i) {
        uint32_t role = f->op->args[i].role;
        if (role == TN_ARG_GRAD || (role >= TN_ARG_OUT_GRAD_A && role <= TN_ARG_OUT_GRAD_V))
            continue;
        tn_tensor t = f->op->args[i].tensor; /* values lie dense */
        int64_t stride = 1;
        for (uint32_t d = t.rank; d-- > 0; stride *= t.dim[d])
            t.stride[d] = stride;
        call.memory[op.arg_count] = (tn_v_memory){f->value[i], tn_v_count(&t)};
        args[op.arg_count++] = (tn_arg){role, 0, t};
    }
    call.op = &op;
    call.arith = *f->arith;
    tn_v_truth truth[TN_V_ARGS];
    int n = tn_v_oracle(&call, truth);
    for (int i = 0; i < n; ++i) {
        int to = truth[i].role == TN_ARG_OUT ? out : stats;
        for (int64_t k = 0; k < truth[i].count; ++k)
            f->value[to][k] = tn_v_fit(&f->op->args[to].tensor, truth[i].ref[k]);
    }
    tn_v_truth_free(truth, n);
    return n > 0;
}

static void attention_data(const tn_v_fill_call *f, uint32_t arg, tn_v_data data, tn_v_random *r)
{
    const tn_tensor *t = &f->op->args[arg].tensor;
    uint32_t role = f->op->args[arg].role;
    int64_t n = tn_v_count(t), d = t->dim[t->rank - 1], rows = t->dim[t->rank - 2];
    double *v = f->value[arg];
    double root = sqrt(sqrt((double)(d > 0 ? d : 1)));
    for (int64_t i = 0; i < n; ++i) {
        int64_t j = d > 0 ? i / d % rows : 0, e = d > 0 ? i % d : 0;
        double x = tn_v_normal(r), at = (double)(j + 1) / (double)rows;
        if (data == TN_V_HOT_KEY && (role == TN_ARG_Q || role == TN_ARG_K)) {
            /* signs of a code by row: one key matches each query, far above the others */
            int64_t code = role == TN_ARG_K ? j : (j * 7 + 3) % f->keys;
            tn_v_random c = {(uint64_t)code * 0x2545f4914f6cdd1du + (uint64_t)e + 1};
            x = (tn_v_next(&c) & 1 ? 16.0 : -16.0);
        } else if (data == TN_V_HOT_KEY && role == TN_ARG_V) {
            x = (double)((j * 7 + e * 13) % 125) - 62;
        } else if (data == TN_V_BIG && role <= TN_ARG_K) {
            x *= 20 / (root > 0 ? 1 : 1);
        } else if (data == TN_V_RISE && role == TN_ARG_K) {
            x = fabs(x) * 6 * at;
        } else if (data == TN_V_RISE && role == TN_ARG_Q) {
            x = fabs(x);
        } else if (data == TN_V_WIDE && role == TN_ARG_V) {
            x *= exp2(16 * tn_v_uniform(r) - 8) * (j == rows - 1 ? 50 : 1);
        } else if (data == TN_V_EDGE && role == TN_ARG_V) {
            x = (j % 2 ? -1 : 1) * 8 * at * at * at * (double)rows * (0.5 + tn_v_uniform(r));
        } else if (data == TN_V_EDGE) {
            x *= 0.25; /* weights nearly equal */
        } else if (data == TN_V_SPECIAL && role == TN_ARG_V && j == rows - 1) {
            x = e % 2 ? NAN : INFINITY; /* of a key that a causal row must not see */
        } else if (data == TN_V_SPECIAL && role == TN_ARG_K && j == rows - 1 && e == 0) {
            x = NAN;
        }
        if (t->dtype == TN_S8)
            x = (double)tn_v_below(r, 256) - 128;
        v[i] = tn_v_fit(t, x);
    }
}

/* Few values, so that many are equal. */
static void equal_data(const tn_v_fill_call *f, uint32_t arg, tn_v_random *r)
{
    static const double v[] = {0.0, -0.0, 1, 2, 3, 1, 2};
    const tn_tensor *t = &f->op->args[arg].tensor;
    for (int64_t i = 0; i < tn_v_count(t); ++i)
        f->value[arg][i] = t->dtype == TN_BOOL ? (double)tn_v_below(r, 2) : v[tn_v_below(r, 7)];
}

/* Values that become blocks of 32: ties between the numbers of a block whose scale is a power of
 * two, blocks of zeros, two largest magnitudes of unlike sign, scales that are no normal f16. */
static void block_data(const tn_v_fill_call *f, uint32_t arg, const tn_tensor *out, tn_v_random *r)
{
    static const double step[] = {0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6.5};
    const tn_tensor *t = &f->op->args[arg].tensor;
    double top = out->layout == TN_LAYOUT_Q8_0 ? 127 : out->layout == TN_LAYOUT_Q4_0 ? -8 : 6;
    int64_t n = tn_v_count(t);
    for (int64_t b = 0; b < n; b += 32) {
        int64_t kind = tn_v_below(r, 8), peak = tn_v_below(r, 32);
        double unit = exp2((double)tn_v_below(r, 9) - 4) * (tn_v_next(r) & 1 ? -1 : 1);
        unit *= kind == 1 && t->dtype != TN_F16 ? 0x1p-20 : kind == 2 ? 0x1p-6 : 1;
        for (int64_t k = 0; k < 32 && b + k < n; ++k) {
            double x = out->layout == TN_LAYOUT_MXFP4
                           ? (tn_v_next(r) & 1 ? -1 : 1) * step[tn_v_below(r, 9)]
                           : (double)tn_v_below(r, 2 * (int64_t)fabs(top)) - fabs(top) + 0.5;
            x = k == peak ? top : k == (peak + 7) % 32 && kind == 3 ? -top : x;
            f->value[arg][b + k] = tn_v_fit(t, kind == 0 ? copysign(0.0, x) : x * unit);
        }
    }
}

/* Inputs that a standard lists, not drawn: of the probe, and every mantissa in [1, 2). */
static void listed_data(const tn_v_fill_call *f, uint32_t arg)
{
    const tn_tensor *t = &f->op->args[arg].tensor;
    uint32_t role = f->op->args[arg].role;
    int64_t n = tn_v_count(t);
    for (int64_t i = 0; i < n; ++i) {
        uint64_t at = f->which->number * (uint64_t)n + (uint64_t)i;
        if (f->which->data == TN_V_MANTISSAS) {
            f->value[arg][i] = tn_v_fit(t, 1 + (double)(at % (1u << 23)) * 0x1p-23);
            continue;
        }
        tn_probe_triple p = tn_probe_input((uint32_t)at);
        f->value[arg][i] = tn_v_fit(t, role == TN_ARG_B ? p.b : role == TN_ARG_C ? p.c : p.a);
    }
}

static void plain_data(const tn_v_fill_call *f, uint32_t arg, tn_v_random *r)
{
    const tn_arg *a = &f->op->args[arg];
    tn_v_data data = f->which->data;
    int64_t n = tn_v_count(&a->tensor);
    const tn_tensor *out = &f->op->args[tn_v_find(f->op, TN_ARG_OUT)].tensor;
    bool quantised = f->op->kind == TN_OP_QUANTIZE;
    if (quantised && tn_v_block_bytes(out) != 0 && data == TN_V_TIES) {
        block_data(f, arg, out, r);
        return;
    }
    if (data == TN_V_TRIPLES || data == TN_V_MANTISSAS) {
        listed_data(f, arg);
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        double v = data == TN_V_SPECIAL ? a->role == TN_ARG_A || a->role >= TN_ARG_INPUT0
                                              ? pattern(&a->tensor, i, n, r)
                                          : tn_v_below(r, 4) == 0
                                              ? odd_value(&a->tensor, r)
                                              : pattern(&a->tensor, tn_v_below(r, n), n, r)
                   : data == TN_V_TIES ? tie(&a->tensor, out, quantised, r)
                                        : tn_v_value(&a->tensor, data, r);
        if (a->tensor.dtype == TN_S64)
            v = trunc(v);
        f->value[arg][i] = v;
    }
}

bool tn_v_fill(const tn_v_case *c, const tn_op *op, const tn_v_arith *arith,
               double *const value[TN_V_ARGS], tn_v_plan *out)
{
    tn_v_random r = {c->seed};
    tn_v_case as;
    tn_v_fill_call f = {c, op, arith, value, out, 0};
    memset(out, 0, sizeof *out);
    out->launches = 1;
    if (c->data == TN_V_REPEAT) {
        as = *c;
        as.data = TN_V_ZERO_MEAN;
        f.which = c = &as;
        out->launches = 69;
    }
    if (c->data == TN_V_POSITIVE || c->data == TN_V_WIDE || c->data == TN_V_ZERO_MEAN) {
        out->rms = true;
        out->spread = c->data == TN_V_POSITIVE ? TN_V_SPREAD_POSITIVE
                      : c->data == TN_V_WIDE   ? TN_V_SPREAD_WIDE
                                               : TN_V_SPREAD_ZERO;
    }
    int key = tn_v_find(op, TN_ARG_K);
    if (op->kind == TN_OP_ATTENTION && key >= 0) {
        int pages = tn_v_find(op, TN_ARG_PAGES);
        f.keys = op->args[key].tensor.dim[op->args[key].tensor.rank - 2];
        f.keys *= pages < 0 ? 1 : op->args[pages].tensor.dim[1];
    }
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        if (value[i] == NULL || side_operand(&f, i, &r))
            continue;
        if (op->kind == TN_OP_ATTENTION)
            attention_data(&f, i, c->data, &r);
        else if (op->kind == TN_OP_SOFTMAX || op->kind == TN_OP_NORM)
            row_data(&f, i, c->data, &r);
        else if (op->kind == TN_OP_TOPK && c->data == TN_V_EDGE)
            equal_data(&f, i, &r);
        else if (op->kind != TN_OP_MATMUL && op->kind != TN_OP_CONV && op->kind != TN_OP_REDUCE)
            plain_data(&f, i, &r);
        else
            tn_v_all(&f, i, c->data, &r);
    }
    if (op->kind == TN_OP_SOFTMAX && ((const tn_softmax *)op->attr)->pass != TN_PASS_FORWARD) {
        int a = tn_v_find(op, TN_ARG_A); /* an output of softmax: positive; of its logarithm: not */
        bool log_form = ((const tn_softmax *)op->attr)->log != 0;
        int64_t n = tn_v_count(&op->args[a].tensor);
        for (int64_t i = 0; i < n; ++i)
            value[a][i] =
                tn_v_fit(&op->args[a].tensor, log_form ? -fabs(value[a][i]) : tn_v_uniform(&r) / 8);
    }
    if (op->kind == TN_OP_MATMUL)
        return tn_v_fill_matmul(&f, &r);
    if (op->kind == TN_OP_CONV)
        return tn_v_fill_conv(&f, &r);
    if (op->kind == TN_OP_REDUCE)
        return tn_v_fill_reduce(&f, &r);
    return forward_of_backward(&f);
}
