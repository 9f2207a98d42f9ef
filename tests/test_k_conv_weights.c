/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of conv to its weights: every row against the plain one, that one against float64,
 * and the float64 truth against the forward one, in which the loss is linear in the weights. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/conv_weights/conv_weights.h>
#include <math.h>

#ifndef TN_TEST_PLAIN /* sanitizers take long to compile it */
/* The 512-bit core over plain C: its tile logic is checked where the CPU lacks AVX-512. */
#include <kernels/common/simd_emulated512.h>
enum { J = 12 };
#include <kernels/conv_weights/conv_weights_core.inc>
static const tn_k_variant emulated = {.name = "emulated_12x32",
                                      .isa = TN_K_ISA_BASELINE,
                                      .cls = TN_CLASS_CANONICAL,
                                      .accepts = accepts,
                                      .plan = plan,
                                      .run = run};
#endif

extern const tn_k_op tn_k_op_conv_weights, tn_k_op_conv;

typedef struct call {
    tn_conv attr;
    tn_arg args[3]; /* A, GRAD, OUT */
    tn_op op;
    bool last;
} call;

static int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static void make(uint64_t *state, call *c)
{
    static const uint16_t dtypes[] = {TN_F32, TN_F32, TN_F32, TN_BF16, TN_F16};
    memset(c, 0, sizeof *c);
    tn_conv *t = &c->attr;
    t->head = (tn_head)TN_INIT(tn_conv);
    t->pass = TN_PASS_BACKWARD_WEIGHTS;
    t->dims = (uint32_t)pick(state, 1, 3);
    c->last = tn_test_random(state) % 2;
    t->flags = c->last ? TN_CONV_CHANNELS_LAST : 0;
    t->groups = (uint32_t)pick(state, 1, 3);
    uint32_t rank = t->dims + 2, channel = c->last ? rank - 1 : 1, space = c->last ? 1 : 2;
    int64_t cg = pick(state, 1, 5), kg = pick(state, 1, 40), n = pick(state, 1, 3);
    for (int i = 0; i < 3; i++) {
        c->args[i].role = i == 0 ? TN_ARG_A : i == 1 ? TN_ARG_GRAD : TN_ARG_OUT;
        c->args[i].tensor.rank = (uint16_t)rank;
        c->args[i].tensor.dtype = dtypes[tn_test_random(state) % 5];
        c->args[i].tensor.dim[0] = i == 2 ? kg * t->groups : n;
        c->args[i].tensor.dim[channel] = i == 0 ? cg * t->groups : i == 1 ? kg * t->groups : cg;
    }
    for (uint32_t d = 0; d < t->dims; d++) {
        t->stride[d] = (int32_t)pick(state, 1, 3);
        t->dilation[d] = (int32_t)pick(state, 1, 2);
        t->pad_lo[d] = (int32_t)pick(state, 0, 2);
        t->pad_hi[d] = (int32_t)pick(state, 0, 2);
        int64_t kernel = pick(state, 1, 3), span = (kernel - 1) * t->dilation[d] + 1;
        int64_t in = pick(state, span, span + (t->dims == 1 ? 160 : t->dims == 2 ? 16 : 4));
        c->args[0].tensor.dim[space + d] = in;
        c->args[1].tensor.dim[space + d] =
            (in + t->pad_lo[d] + t->pad_hi[d] - span) / t->stride[d] + 1;
        c->args[2].tensor.dim[space + d] = kernel;
    }
    for (int i = 0; i < 3; i++)
        tn_t_strides(state, &c->args[i].tensor, tn_test_random(state) % 2);
    c->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = TN_OP_CONV,
                    .arg_count = 3,
                    .attr = &c->attr,
                    .args = c->args};
}

static void fill(uint64_t *state, uint16_t dtype, unsigned char *block, uint32_t rare)
{
    for (size_t i = 0; i < TN_T_BYTES / 4; i++) {
        float x = tn_t_float(state, rare);
        if (dtype == TN_F32)
            ((float *)(void *)block)[i] = x;
        else
            tn_c_store(dtype, block, (int64_t)i, (tn_c_value){false, 0, (double)x}, false);
    }
}

/* A chain of 128, the sums of chunks, and the last rounding. */
static void check(const tn_k_conv_weights_params *p, const void *a, const void *grad,
                  const void *out)
{
    int64_t taps = tn_k_conv_weights_taps(p), count = p->groups * p->kg * p->cg * taps;
    int64_t k = tn_k_conv_weights_positions(p);
    double n = (double)(k < 128 ? k : 128) + (double)(k / 128) + 1, u = FLT_EPSILON / 2;
    double last = p->out_dtype == TN_F32 ? 0 : p->out_dtype == TN_BF16 ? 0x1p-8 : 0x1p-11;
    double tiny = p->out_dtype == TN_F16 ? 0x1p-25 : (double)FLT_TRUE_MIN * n;
    double *dot = malloc((size_t)(2 * count + 1) * sizeof *dot), *size = dot + count;
    TN_REQUIRE(dot != NULL);
    tn_k_conv_weights_ref(p, a, grad, dot, size);
    for (int64_t w = 0; w < count; w++) {
        int64_t f = w / taps / p->cg, c = w / taps % p->cg, x = w % taps;
        int64_t at = f * p->out_f + c * p->out_c + x / p->kernel[2] / p->kernel[1] * p->out_s[0] +
                     x / p->kernel[2] % p->kernel[1] * p->out_s[1] + x % p->kernel[2] * p->out_s[2];
        double got = tn_c_load(p->out_dtype, out, at).f, sum = size[w] * n * u / (1 - n * u);
        double bound = sum + last * (fabs(dot[w]) + sum) + tiny;
        TN_EXPECT(fabs(got - dot[w]) <= bound, "%a, want %a +- %a", got, dot[w], bound);
    }
    free(dot);
}

TN_TEST(k_conv_weights, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 200; i++) {
        call c;
        unsigned char *block[3];
        bool special = i % 3 == 2;
        make(&state, &c);
        for (int j = 0; j < 3; j++) {
            block[j] = tn_t_block();
            fill(&state, c.args[j].tensor.dtype, block[j], special ? 60 : 0);
        }
        tn_k_conv_weights_params p;
        bool f32 = c.args[2].tensor.dtype == TN_F32;
        uint32_t out = 2;
        (void)tn_t_rows(&tn_k_op_conv_weights, &c.op, block, out, f32, &p);
#ifndef TN_TEST_PLAIN
        unsigned char *other = tn_t_block();
        const tn_k_caps caps = {.isa = TN_K_ISA_BASELINE, .workers = 2, .l1d_bytes = 32768};
        void *operand[3] = {block[0] + TN_T_MIDDLE, block[1] + TN_T_MIDDLE, other + TN_T_MIDDLE};
        tn_t_run(&emulated, &p, &caps, operand, i % 2);
        TN_EXPECT(tn_t_same(block[2], other, f32), "512-bit core, round %d", i);
        free(other);
#endif
        if (!special)
            check(&p, block[0] + TN_T_MIDDLE, block[1] + TN_T_MIDDLE, block[2] + TN_T_MIDDLE);
        for (int j = 0; j < 3; j++)
            free(block[j]);
    }
}

/* The loss sum(out * grad) is linear in the weights: its gradient times any weights is the loss
 * there. Both sums are of float64: what is left are their roundings. */
TN_TEST(k_conv_weights, truth)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 60; i++) {
        call c;
        unsigned char *block[3];
        make(&state, &c);
        for (int j = 0; j < 3; j++) {
            c.args[j].tensor.dtype = TN_F32;
            tn_t_strides(&state, &c.args[j].tensor, false);
            block[j] = tn_t_block();
            fill(&state, TN_F32, block[j], 0);
        }
        tn_k_conv_weights_params p;
        tn_k_conv forward;
        tn_k_why why;
        TN_REQUIRE(tn_k_op_conv_weights.params(&c.op, &p, &why));
        /* the forward op has the weights as B and the shape of the gradient as OUT */
        tn_conv attr = c.attr;
        attr.pass = TN_PASS_FORWARD;
        tn_arg args[3] = {c.args[0], c.args[2], c.args[1]};
        args[1].role = TN_ARG_B;
        args[2].role = TN_ARG_OUT;
        tn_op op = c.op;
        op.attr = &attr;
        op.args = args;
        TN_REQUIRE(tn_k_op_conv.params(&op, &forward, &why));
        const void *a = block[0] + TN_T_MIDDLE, *g = block[1] + TN_T_MIDDLE;
        const void *w = block[2] + TN_T_MIDDLE;
        int64_t taps = tn_k_conv_weights_taps(&p), count = p.groups * p.kg * p.cg * taps;
        int64_t channels = p.groups * p.kg, space = p.size[0] * p.size[1] * p.size[2];
        int64_t outs = p.n * channels * space;
        double *dot = malloc((size_t)(2 * (count + outs)) * sizeof *dot), left = 0, right = 0;
        double size = 0;
        TN_REQUIRE(dot != NULL);
        tn_k_conv_weights_ref(&p, a, g, dot, dot + count);
        for (int64_t x = 0; x < count; x++) {
            int64_t f = x / taps / p.cg, ch = x / taps % p.cg, k = x % taps;
            int64_t at = f * p.out_f + ch * p.out_c + k / p.kernel[2] / p.kernel[1] * p.out_s[0] +
                         k / p.kernel[2] % p.kernel[1] * p.out_s[1] + k % p.kernel[2] * p.out_s[2];
            left += dot[x] * (double)((const float *)w)[at];
            size += dot[count + x] * fabs((double)((const float *)w)[at]);
        }
        tn_k_conv_ref(&forward, a, w, dot, dot + outs);
        for (int64_t x = 0; x < outs; x++) {
            int64_t o[3] = {x / p.size[2] / p.size[1] % p.size[0], x / p.size[2] % p.size[1],
                            x % p.size[2]};
            right += dot[x] * (double)((const float *)g)[tn_k_conv_at(
                                  &p.g_view, x / space / channels, x / space % channels, o)];
        }
        TN_EXPECT(fabs(left - right) <= size * (double)(outs + count) * DBL_EPSILON, "%g and %g",
                  left, right);
        free(dot);
        for (int j = 0; j < 3; j++)
            free(block[j]);
    }
}
