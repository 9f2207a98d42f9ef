/* SPDX-License-Identifier: Apache-2.0 */
/* Known defects that many ops can have: rounding of inputs and outputs, steps of an epilogue. */
#include <conformance/runner/models.h>

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static double to_tf32(double x)
{
    return tn_v_to_bits(x, 11, TN_V_NEAREST_EVEN);
}

static double to_tf32_zero(double x)
{
    return tn_v_to_bits(x, 11, TN_V_TOWARD_ZERO);
}

static double to_bf16(double x)
{
    return tn_v_to_bits(x, 8, TN_V_NEAREST_EVEN);
}

static double to_f16(double x)
{
    return tn_v_rounded(TN_F16, x, TN_V_NEAREST_EVEN, false);
}

static double no_nan(double x)
{
    return isnan(x) ? 0 : x;
}

static double no_tiny32(double x)
{
    return fabs(x) < 0x1p-126 ? 0 : x;
}

static double no_tiny16(double x)
{
    return fabs(x) < 0x1p-14 ? 0 : x;
}

static double as_signed(double x)
{
    return x > 127 ? x - 256 : x;
}

static double as_unsigned(double x)
{
    return x < 0 ? x + 256 : x;
}

static double (*const maps[])(double) = {to_tf32,   to_bf16,   to_f16,      no_nan,      no_tiny32,
                                         no_tiny16, as_signed, as_unsigned, to_tf32_zero};
enum { TF32, BF16, F16, NO_NAN, TINY32, TINY16, SIGNED, UNSIGNED, TF32_ZERO };

static bool map_inputs(tn_v_edit *e, int which)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_Q, TN_ARG_K, TN_ARG_V, TN_ARG_GRAD};
    bool changed = false;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; ++i) {
        const tn_tensor *t = tn_v_edit_tensor(e, roles[i]);
        if (t == NULL || (which == SIGNED && t->dtype != TN_U8) ||
            (which == UNSIGNED && t->dtype != TN_S8) || (which == TINY16 && t->dtype != TN_F16))
            continue;
        changed = tn_v_edit_map(e, roles[i], maps[which]) || changed;
    }
    return changed;
}

static bool round_output(tn_v_edit *e, int round)
{
    e->round = (tn_v_round)round;
    return true;
}

static bool saturate(tn_v_edit *e, int param)
{
    (void)param;
    e->saturate = true;
    return true;
}

static bool flush(tn_v_edit *e, int param)
{
    (void)param;
    e->flush = true;
    return true;
}

static bool swapped_posts(tn_v_edit *e, int param)
{
    (void)param;
    if (e->op.post_count < 2)
        return false;
    tn_post t = e->posts[0];
    e->posts[0] = e->posts[1];
    e->posts[1] = t;
    return true;
}

static bool relu_no_nan(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    (void)e;
    for (int64_t i = 0; i < right->count; ++i)
        if (isnan(model->ref[i])) {
            model->ref[i] = 0;
            model->err[i] = 0;
        }
    return true;
}

static bool relu_of_nan(tn_v_edit *e, int param)
{
    (void)param;
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if (e->posts[p].kind == TN_POST_RELU) {
            e->combine = relu_no_nan;
            return true;
        }
    return false;
}

static bool without_post(tn_v_edit *e, int kind)
{
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if ((int)e->posts[p].kind == kind) {
            memmove(&e->posts[p], &e->posts[p + 1], (e->op.post_count - p - 1) * sizeof *e->posts);
            e->op.post_count--;
            return true;
        }
    return false;
}

static bool other_gelu(tn_v_edit *e, int param)
{
    (void)param;
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if (e->posts[p].kind == TN_POST_GELU || e->posts[p].kind == TN_POST_GELU_TANH) {
            e->posts[p].kind = e->posts[p].kind == TN_POST_GELU ? TN_POST_GELU_TANH : TN_POST_GELU;
            return true;
        }
    return false;
}

static bool add_old(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    const tn_v_job *j = e->job;
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        for (int64_t n = 0; n < right->count && j->op->args[i].role == right->role; ++n) {
            const unsigned char *got = tn_v_element(j, right, n);
            model->ref[n] +=
                tn_v_decode(right->dtype, j->image[i].before + (got - j->image[i].bytes));
        }
    return true;
}

bool tn_v_not_cleared(tn_v_edit *e, int param)
{
    (void)param;
    e->combine = add_old;
    return true;
}

const tn_v_model tn_v_models_any[] = {
    {"epilogue in another order", 0, swapped_posts, 0},
    {"relu of NaN gives 0", 0, relu_of_nan, 0},
    {"bias omitted", 0, without_post, TN_POST_BIAS},
    {"residual omitted", 0, without_post, TN_POST_ADD},
    {"activation omitted", 0, without_post, TN_POST_RELU},
    {"gelu in its other form", 0, other_gelu, 0},
    {"u8 read as s8", 0, map_inputs, SIGNED},
    {"s8 read as u8", 0, map_inputs, UNSIGNED},
    {"NaN operand read as 0", 0, map_inputs, NO_NAN},
    {"subnormal results flushed", 0, flush, 0},
    {"subnormal f32 inputs flushed", 0, map_inputs, TINY32},
    {"subnormal f16 inputs flushed", 0, map_inputs, TINY16},
    {"overflow saturates", 0, saturate, 0},
    {"inputs rounded to tf32 or f16", 0, map_inputs, TF32},
    {"inputs truncated to tf32", 0, map_inputs, TF32_ZERO},
    {"inputs rounded to bf16", 0, map_inputs, BF16},
    {"inputs rounded to f16", 0, map_inputs, F16},
    {"output truncated", 0, round_output, TN_V_TOWARD_ZERO},
    {"output rounded half away from zero", 0, round_output, TN_V_NEAREST_AWAY},
    {NULL, 0, NULL, 0}};
