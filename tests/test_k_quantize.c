/* SPDX-License-Identifier: Apache-2.0 */
/* quantize and dequantize: against float64 by the tensors alone, and stated cases. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/dequantize/dequantize.h>
#include <kernels/quantize/quantize.h>
#include <math.h>

extern const tn_k_op tn_k_op_quantize, tn_k_op_dequantize;

static const double u = FLT_EPSILON / 2;

/* Where the scale of an element is: by index or run of the axis, or the only one. */
static int64_t factor_at(const tn_tensor *t, const int64_t *at, uint32_t axis, int64_t run)
{
    int64_t where = 0;
    if (t->rank == 0)
        return 0;
    if (run == 0)
        return at[axis] * t->stride[0];
    for (uint32_t d = 0; d < t->rank; d++)
        where += (d == axis ? at[d] / run : at[d]) * t->stride[d];
    return where;
}

static double value(const tn_tensor *t, const unsigned char *block, int64_t at)
{
    tn_c_value v = tn_c_load(t->dtype, block + TN_T_MIDDLE, at);
    return v.integer ? (double)v.i : v.f;
}

static void check(const tn_op *op, unsigned char *const *block, uint32_t axis, int64_t run)
{
    const tn_tensor *a = &op->args[0].tensor, *scale = &op->args[1].tensor;
    const tn_tensor *out = &op->args[2].tensor;
    const tn_tensor *zero = op->arg_count == 4 ? &op->args[3].tensor : NULL;
    bool divide = op->args[1].role == TN_ARG_SCALE_OF + TN_ARG_OUT;
    int64_t total = 1;
    for (uint32_t d = 0; d < a->rank; d++)
        total *= a->dim[d];
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, at[TN_MAX_RANK] = {0}, from = 0, to = 0;
        for (uint32_t d = a->rank; d-- > 0; rest /= a->dim[d]) {
            at[d] = rest % a->dim[d];
            from += at[d] * a->stride[d];
            to += at[d] * out->stride[d];
        }
        double x = value(a, block[0], from), got = value(out, block[2], to);
        double s = value(scale, block[1], factor_at(scale, at, axis, run));
        double z = zero ? value(zero, block[3], factor_at(zero, at, axis, run)) : 0;
        if (op->kind == TN_OP_DEQUANTIZE) {
            /* the rounded zero, the fused sum, and the output */
            double want = (x - z) * s, e = u * fabs(z * s) + u * (fabs(want) + fabs(z * s));
            double narrow = out->dtype == TN_F32 ? 0 : out->dtype == TN_F16 ? 0x1p-11 : 0x1p-8;
            double bound =
                e + narrow * (fabs(want) + e) + (out->dtype == TN_F16 ? 0x1p-25 : 0x1p-149);
            TN_EXPECT(fabs(got - want) <= bound, "%g %g %g: %a not %a", x, s, z, got, want);
            continue;
        }
        double q = divide ? x / s : x * s, off = fabs(q) * (2 * u + u * u);
        if (out->dtype == TN_S8 || out->dtype == TN_U8) {
            double low = out->dtype == TN_S8 ? -128 : 0, high = out->dtype == TN_S8 ? 127 : 255;
            double want = fmin(fmax(q + z, low), high);
            TN_EXPECT(fabs(got - want) <= 0.5 + off, "%g %g %g: %g not %g", x, s, z, got, want);
        } else { /* an f8: half a step of its place, 2^-3 or 2^-2 of the value, or of the smallest
                  */
            bool e4m3 = out->dtype == TN_F8E4M3;
            double most = e4m3 ? 448 : 57344;
            q = fmin(fmax(q, -most), most);
            double step = fmax(ldexp(fabs(q) + off, e4m3 ? -3 : -2), ldexp(1, e4m3 ? -9 : -16));
            TN_EXPECT(fabs(got - q) <= step / 2 + off, "%g %g: %g not %g", x, s, got, q);
        }
    }
}

static void fill(uint64_t *state, const tn_tensor *t, uint32_t role, unsigned char *block)
{
    for (int64_t i = 0; i < TN_T_BYTES / 8; i++) {
        uint64_t r = tn_test_random(state);
        double f = (double)tn_t_float(state, 0);
        bool integer = t->dtype == TN_S8 || t->dtype == TN_U8 || t->dtype == TN_S32;
        if (role == TN_ARG_SCALE_OF + TN_ARG_A || role == TN_ARG_SCALE_OF + TN_ARG_OUT)
            f = 0.05 + fabs(f);
        tn_c_value v = {integer, (int64_t)(r >> 20) % 1000, f * 10};
        if (role > TN_ARG_SCALE_OF && role < TN_ARG_ZERO_OF)
            v.f = f;
        tn_c_store(t->dtype, block, i, v, true);
    }
}

static void round_of(uint64_t *state, bool forward, uint16_t from, uint16_t to)
{
    tn_axis attr = {.head = TN_INIT(tn_axis)};
    tn_arg args[4] = {{.role = TN_ARG_A}, {0}, {.role = TN_ARG_OUT}, {0}};
    tn_tensor *a = &args[0].tensor, *scale = &args[1].tensor, *zero = &args[3].tensor;
    bool divide = forward && from != TN_S32;
    args[1].role = TN_ARG_SCALE_OF + (uint32_t)(divide ? TN_ARG_OUT : TN_ARG_A);
    args[3].role = TN_ARG_ZERO_OF + (uint32_t)(forward ? TN_ARG_OUT : TN_ARG_A);
    a->dtype = from;
    a->rank = (uint16_t)(tn_test_random(state) % 4);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 24);
    attr.axis = a->rank == 0 ? 0 : (int32_t)(tn_test_random(state) % (2u * a->rank)) - a->rank;
    uint32_t axis = (uint32_t)(attr.axis < 0 ? attr.axis + a->rank : attr.axis);
    scale->dtype = TN_F32;
    uint64_t form = a->rank == 0 ? 0 : tn_test_random(state) % 3;
    if (form == 1) {
        scale->rank = 1;
        scale->dim[0] = a->dim[axis];
    } else if (form == 2) {
        attr.param = 1 + (int64_t)(tn_test_random(state) % 5);
        a->dim[axis] = attr.param * (1 + (int64_t)(tn_test_random(state) % 6));
        *scale = *a;
        scale->dtype = TN_F32;
        scale->dim[axis] = a->dim[axis] / attr.param;
    }
    args[2].tensor = *a;
    args[2].tensor.dtype = to;
    *zero = *scale;
    zero->dtype = forward ? to : from;
    bool has_zero = (zero->dtype == TN_S8 || zero->dtype == TN_U8) && tn_test_random(state) % 2;
    for (int k = 0; k < 4; k++)
        tn_t_strides(state, &args[k].tensor, tn_test_random(state) % 2);
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = forward ? TN_OP_QUANTIZE : TN_OP_DEQUANTIZE,
                .arg_count = has_zero ? 4 : 3,
                .attr = &attr,
                .args = args,
                .numerics = {.flags = TN_NUMERICS_SATURATE}};
    unsigned char *block[4];
    for (int k = 0; k < 4; k++) {
        block[k] = tn_t_block();
        fill(state, &args[k].tensor, args[k].role, block[k]);
    }
    union {
        tn_k_quantize_params forward;
        tn_k_dequantize_params back;
    } p;
    tn_t_rows(forward ? &tn_k_op_quantize : &tn_k_op_dequantize, &op, block, 2, false, &p);
    check(&op, block, axis, attr.param);
    for (int k = 0; k < 4; k++)
        free(block[k]);
}

TN_TEST(k_quantize, forward_and_back)
{
    static const uint16_t wide[] = {TN_F32, TN_F16, TN_BF16, TN_S32};
    static const uint16_t narrow[] = {TN_S8, TN_U8, TN_F8E4M3, TN_F8E5M2};
    uint64_t state = tn_test_seed();
    for (int w = 0; w < 4; w++)
        for (int n = 0; n < 4; n++)
            for (int i = 0; i < 6; i++)
                round_of(&state, true, wide[w], narrow[n]);
    for (int n = 0; n < 5; n++)
        for (int w = 0; w < 3; w++)
            for (int i = 0; i < 6; i++)
                round_of(&state, false, n == 4 ? (uint16_t)TN_S32 : narrow[n], wide[w]);
}

/* Ties to even, the ends, NaN: the text of the contract. */
TN_TEST(k_quantize, stated_cases)
{
    enum { N = 12 };
    static const float x[N] = {1, 3, 5, -1, -3, 1e30f, -1e30f, INFINITY, -INFINITY, NAN, 251, -260};
    static const int8_t plain[N] = {0, 2, 2, 0, -2, 127, -128, 127, -128, 0, 126, -128};
    static const uint8_t offset[N] = {10, 12, 12, 10, 8, 255, 0, 255, 0, 10, 136, 0};
    for (int unsigned_ = 0; unsigned_ < 2; unsigned_++) {
        uint16_t to = unsigned_ ? TN_U8 : TN_S8;
        tn_arg args[4] = {
            {.role = TN_ARG_A, .tensor = {.dtype = TN_F32, .rank = 1, .dim = {N}, .stride = {1}}},
            {.role = TN_ARG_SCALE_OF + TN_ARG_OUT, .tensor = {.dtype = TN_F32}},
            {.role = TN_ARG_OUT, .tensor = {.dtype = to, .rank = 1, .dim = {N}, .stride = {1}}},
            {.role = TN_ARG_ZERO_OF + TN_ARG_OUT, .tensor = {.dtype = to}}};
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_QUANTIZE,
                    .arg_count = unsigned_ ? 4 : 3,
                    .args = args};
        unsigned char *block[4];
        for (int k = 0; k < 4; k++)
            block[k] = tn_t_block();
        float scale = 2;
        memcpy(block[0] + TN_T_MIDDLE, x, sizeof x);
        memcpy(block[1] + TN_T_MIDDLE, &scale, sizeof scale);
        block[3][TN_T_MIDDLE] = 10;
        tn_k_quantize_params p;
        tn_t_rows(&tn_k_op_quantize, &op, block, 2, false, &p);
        TN_EXPECT(memcmp(block[2] + TN_T_MIDDLE, unsigned_ ? (const void *)offset : plain, N) == 0);
        for (int k = 0; k < 4; k++)
            free(block[k]);
    }
}
