/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in blocks: what quantize makes of numbers, what dequantize makes of blocks, and matmul,
 * which has the bits of a matmul of the weights as f32. */
#include "support/k_rows.h"
#include <kernels/common/blocks.h>
#include <kernels/dequantize/dequantize.h>
#include <kernels/matmul/matmul.h>
#include <kernels/quantize/quantize.h>
#include <math.h>

extern const tn_k_op tn_k_op_matmul, tn_k_op_quantize, tn_k_op_dequantize;

static const struct {
    uint64_t layout;
    uint16_t dtype;
    int bytes;
} layouts[] = {
    {TN_LAYOUT_Q4_0, TN_S4, 18}, {TN_LAYOUT_Q8_0, TN_S8, 34}, {TN_LAYOUT_MXFP4, TN_F4E2M1, 17}};

/* The meaning of a block, from docs/LAYOUTS.md and not from the kernels' code. */
static double meaning(uint64_t layout, const uint8_t *b, int i)
{
    static const double f4[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    if (layout == TN_LAYOUT_MXFP4) {
        int q = (i < 16 ? b[1 + i] : b[1 + i - 16] >> 4) & 15;
        double scale = b[0] == 255 ? (double)NAN : ldexp(1.0, b[0] - 127);
        return (q & 8 ? -f4[q & 7] : f4[q & 7]) * scale;
    }
    int h = b[0] | b[1] << 8, e = h >> 10 & 31, m = h & 1023;
    double scale = e == 31 ? (m ? (double)NAN : (double)INFINITY)
                   : e     ? ldexp(1024 + m, e - 25)
                           : ldexp(m, -24);
    int q = layout == TN_LAYOUT_Q8_0 ? (int8_t)b[2 + i]
                                     : ((i < 16 ? b[2 + i] : b[2 + i - 16] >> 4) & 15) - 8;
    return q * (h & 0x8000 ? -scale : scale);
}

static tn_tensor tensor(uint32_t dtype, uint32_t rank, const int64_t *dim, uint64_t layout)
{
    tn_tensor t = {.dtype = (uint16_t)dtype, .rank = (uint16_t)rank, .layout = layout};
    int64_t stride = 1;
    for (uint32_t d = rank; d-- > 0; stride *= dim[d] > 0 ? dim[d] : 1) {
        t.dim[d] = dim[d];
        t.stride[d] = stride;
    }
    return t;
}

/* Blocks of any bits whose scales are ordinary numbers, now and then a special one. */
static void fill_blocks(unsigned char *to, int64_t count, int which, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++, to += layouts[which].bytes) {
        for (int j = 0; j < layouts[which].bytes; j++)
            to[j] = (uint8_t)(tn_test_random(state) >> 20);
        bool odd = tn_test_random(state) % 64 == 0;
        if (layouts[which].layout == TN_LAYOUT_MXFP4)
            to[0] = odd ? to[0] : (uint8_t)(120 + to[0] % 12);
        else if (!odd)
            to[1] = (uint8_t)(0x28 | (to[1] & 0x87));
    }
}

static void fill_floats(unsigned char *to, int64_t count, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        float f = tn_t_float(state, 0);
        memcpy(to + 4 * i, &f, 4);
    }
}

static void matmul_case(int which, int64_t m, int64_t n, int64_t k, int batch, bool posts,
                        uint64_t *state)
{
    static tn_k_matmul params, plain;
    tn_matmul attr = {{sizeof attr, TN_TYPE_tn_matmul, NULL}, TN_MATMUL_TRANSPOSE_B, 0, 0};
    int64_t ad[] = {batch, m, k}, bd[] = {batch, n, k}, od[] = {batch, m, n};
    tn_arg args[4] = {
        {TN_ARG_A, 0, tensor(TN_F32, 3, ad, 0)},
        {TN_ARG_B, 0, tensor(layouts[which].dtype, 3, bd, layouts[which].layout)},
        {TN_ARG_OUT, 0, tensor(TN_F32, 3, od, 0)},
        {TN_ARG_POST0, 0, tensor(TN_F32, 1, &n, 0)},
    };
    tn_post post[2] = {{TN_POST_BIAS, TN_ARG_POST0, 0, 0}, {TN_POST_SILU, 0, 0, 0}};
    tn_op op = {.head = {sizeof op, TN_TYPE_tn_op, NULL},
                .kind = TN_OP_MATMUL,
                .arg_count = posts ? 4 : 3,
                .post_count = posts ? 2 : 0,
                .attr = &attr,
                .args = args,
                .posts = post};
    unsigned char *block[4], *wide = tn_t_block(), *want = tn_t_block();
    for (int i = 0; i < 4; i++)
        block[i] = tn_t_block();
    fill_floats(block[0] + TN_T_MIDDLE, batch * m * k, state);
    fill_floats(block[3] + TN_T_MIDDLE, n, state);
    fill_blocks(block[1] + TN_T_MIDDLE, batch * n * k / 32, which, state);
    const tn_k_variant *exact[64];
    TN_REQUIRE(tn_k_op_matmul.variant_count <= 64, "more rows than the test has room for");
    tn_k_op of_bits = tn_k_op_matmul;
    of_bits.variants = exact;
    of_bits.variant_count = 0;
    for (uint32_t i = 0; i < tn_k_op_matmul.variant_count; i++)
        if (tn_k_serves(tn_k_op_matmul.variants[i]->cls, TN_CLASS_CANONICAL))
            exact[of_bits.variant_count++] = tn_k_op_matmul.variants[i];
    tn_t_rows(&of_bits, &op, block, 2, true, &params);
    for (int64_t i = 0; i < batch * n * k; i++) {
        float w =
            (float)meaning(layouts[which].layout,
                           block[1] + TN_T_MIDDLE + i / 32 * layouts[which].bytes, (int)(i % 32));
        memcpy(wide + TN_T_MIDDLE + 4 * i, &w, 4);
    }
    args[1].tensor = tensor(TN_F32, 3, bd, 0);
    unsigned char *in_f32[4] = {block[0], wide, want, block[3]};
    tn_t_rows(&(tn_k_op){.kind = TN_OP_MATMUL,
                         .name = "matmul",
                         .params_bytes = sizeof plain,
                         .params = tn_k_op_matmul.params,
                         .variants = tn_k_op_matmul.variants,
                         .variant_count = 1},
              &op, in_f32, 2, true, &plain);
    TN_EXPECT(tn_t_same(want, block[2], true), "%dx%dx%d of layout %u", (int)m, (int)n, (int)k,
              (unsigned)layouts[which].layout);
    for (int i = 0; i < 4; i++)
        free(block[i]);
    free(wide);
    free(want);
}

TN_TEST(blocks, matmul_has_the_bits_of_its_weights_in_f32)
{
    uint64_t state = tn_test_seed();
    static const int64_t ms[] = {1, 2, 5, 6, 7, 97}, ns[] = {1, 7, 8, 9, 63, 64, 65, 130},
                         ks[] = {32, 64, 96, 128, 160, 288};
    for (int which = 0; which < 3; which++)
        for (int i = 0; i < 24; i++)
            matmul_case(which, ms[i % 6], ns[i % 8], ks[tn_test_random(&state) % 6], 1 + i % 2,
                        i % 3 == 0, &state);
    matmul_case(0, 0, 5, 32, 1, false, &state);
    matmul_case(1, 5, 0, 32, 1, false, &state);
    matmul_case(2, 5, 4, 0, 1, true, &state);
}

/* The rows of class BOUNDED beside sums in float64: K roundings at most, of products with exact
 * weights. What is not finite is so in any order. */
static void bounded_case(int which, bool narrow, int64_t m, int64_t n, int64_t k, int batch,
                         uint64_t *state)
{
    static tn_k_matmul params;
    tn_k_why why = {"none", "none", "none"};
    tn_matmul attr = {{sizeof attr, TN_TYPE_tn_matmul, NULL}, TN_MATMUL_TRANSPOSE_B, 0, 0};
    int64_t ad[] = {batch, m, k}, bd[] = {batch, n, k}, od[] = {batch, m, n};
    tn_arg args[3] = {
        {TN_ARG_A, 0, tensor(narrow ? TN_BF16 : TN_F32, 3, ad, 0)},
        {TN_ARG_B, 0, tensor(layouts[which].dtype, 3, bd, layouts[which].layout)},
        {TN_ARG_OUT, 0, tensor(TN_F32, 3, od, 0)},
    };
    tn_op op = {.head = {sizeof op, TN_TYPE_tn_op, NULL},
                .kind = TN_OP_MATMUL,
                .arg_count = 3,
                .attr = &attr,
                .args = args};
    unsigned char *block[3] = {tn_t_block(), tn_t_block(), tn_t_block()};
    void *operand[TN_K_OPERANDS] = {block[0] + TN_T_MIDDLE, block[1] + TN_T_MIDDLE,
                                    block[2] + TN_T_MIDDLE};
    float *a = calloc((size_t)(batch * m * k) + 1, sizeof *a);
    fill_floats(block[0] + TN_T_MIDDLE, batch * m * k, state);
    fill_blocks(block[1] + TN_T_MIDDLE, batch * n * k / 32, which, state);
    TN_REQUIRE(a != NULL && tn_k_op_matmul.params(&op, &params, &why), "%s", why.text);
    for (int64_t i = 0; i < batch * m * k; i++) {
        float x;
        memcpy(&x, block[0] + TN_T_MIDDLE + 4 * i, 4);
        uint16_t high = (uint16_t)(tn_c_bits(x) >> 16);
        a[i] = narrow ? tn_c_float((uint32_t)high << 16) : x;
        if (narrow)
            memcpy(block[0] + TN_T_MIDDLE + 2 * i, &high, 2);
    }
    int ran = 0;
    for (uint32_t i = 0; i < tn_k_op_matmul.variant_count; i++) {
        const tn_k_variant *v = tn_k_op_matmul.variants[i];
        tn_k_caps caps = {.isa = tn_t_isa(), .workers = 1 + i % 3, .l1d_bytes = 32768};
        if (v->cls != TN_CLASS_BOUNDED || (v->isa & caps.isa) != v->isa ||
            !v->accepts(&params, &caps, &why))
            continue;
        memset(block[2], 0xa5, TN_T_BYTES);
        tn_t_run(v, &params, &caps, operand, caps.workers > 1);
        ran++;
        for (int64_t at = 0; at < batch * m * n; at++) {
            int64_t row = at / n, col = at / (m * n) * n + at % n;
            double want = 0.0, size = 0.0;
            float got;
            memcpy(&got, block[2] + TN_T_MIDDLE + 4 * at, 4);
            for (int64_t j = 0; j < k; j++) {
                const uint8_t *b =
                    block[1] + TN_T_MIDDLE + (col * k + j) / 32 * layouts[which].bytes;
                double x = (double)a[row * k + j],
                       w = (double)(float)meaning(layouts[which].layout, b, (int)(j % 32));
                want += x * w;
                size += fabs(x * w);
            }
            if (isfinite(want) && size > 0x1p127)
                continue; /* parts of the sum may overflow in one order and not in another */
            double u = (double)(k + 1) * 0x1p-24, bound = u / (1 - u) * size + 0x1p-149 * (double)k;
            TN_EXPECT(isfinite(want) ? fabs((double)got - want) <= bound
                      : isnan(want)  ? isnan(got)
                                     : (double)got == want,
                      "%s %dx%dx%d layout %u at %d: %g, not %g", v->name, (int)m, (int)n, (int)k,
                      (unsigned)layouts[which].layout, (int)at, (double)got, want);
        }
        const unsigned char *end = block[2] + TN_T_MIDDLE + 4 * batch * m * n;
        TN_EXPECT(block[2][TN_T_MIDDLE - 1] == 0xa5 && *end == 0xa5, "%s writes beside", v->name);
    }
#ifdef __x86_64__
    TN_EXPECT(ran > 0 || (tn_t_isa() & TN_K_ISA_AVX2) == 0, "no row ran");
#endif
    for (int i = 0; i < 3; i++)
        free(block[i]);
    free(a);
}

TN_TEST(blocks, few_rows_are_within_their_bound)
{
    uint64_t state = tn_test_seed();
    static const int64_t ns[] = {1, 3, 4, 5, 16, 17, 31, 33, 66},
                         ks[] = {32, 64, 96, 512, 544, 1056};
    for (int which = 0; which < 3; which++)
        for (int i = 0; i < 36; i++)
            bounded_case(which, i % 5 == 4, 1 + i % 4, ns[tn_test_random(&state) % 9],
                         ks[tn_test_random(&state) % 6], 1 + i % 2, &state);
    bounded_case(0, false, 3, 5, 0, 1, &state);
}

static tn_op movement(tn_op_kind kind, tn_arg *args)
{
    return (tn_op){
        .head = {sizeof(tn_op), TN_TYPE_tn_op, NULL}, .kind = kind, .arg_count = 2, .args = args};
}

TN_TEST(blocks, dequantize_means_what_is_written)
{
    uint64_t state = tn_test_seed() + 1;
    static const uint16_t outs[] = {TN_F32, TN_F16, TN_BF16};
    for (int which = 0; which < 3; which++)
        for (int o = 0; o < 3; o++) {
            static tn_k_dequantize_params params;
            int64_t dim[] = {5, 3, 96};
            tn_arg args[2] = {
                {TN_ARG_A, 0, tensor(layouts[which].dtype, 3, dim, layouts[which].layout)},
                {TN_ARG_OUT, 0, tensor(outs[o], 3, dim, 0)}};
            args[1].tensor.stride[2] = 2, args[1].tensor.stride[1] = 200,
            args[1].tensor.stride[0] = 601;
            tn_op op = movement(TN_OP_DEQUANTIZE, args);
            unsigned char *block[2] = {tn_t_block(), tn_t_block()};
            fill_blocks(block[0] + TN_T_MIDDLE, 45, which, &state);
            tn_t_rows(&tn_k_op_dequantize, &op, block, 1, true, &params);
            for (int i = 0; i < 5 * 3 * 96; i++) {
                float want =
                    (float)meaning(layouts[which].layout,
                                   block[0] + TN_T_MIDDLE + i / 32 * layouts[which].bytes, i % 32);
                unsigned char room[8];
                tn_c_store(outs[o], room, 0, (tn_c_value){false, 0, (double)want}, false);
                double have = tn_c_load(outs[o], block[1] + TN_T_MIDDLE,
                                        i / 288 * 601 + i / 96 % 3 * 200 + i % 96 * 2)
                                  .f;
                double expected = tn_c_load(outs[o], room, 0).f;
                TN_EXPECT(have == expected || (have != have && expected != expected),
                          "%d: %a not %a", i, have, expected);
            }
            free(block[0]);
            free(block[1]);
        }
}

/* Each value is as near as the grid of its block allows, and the grid reaches the largest. */
TN_TEST(blocks, quantize_takes_the_nearest)
{
    uint64_t state = tn_test_seed() + 2;
    for (int which = 0; which < 3; which++) {
        static tn_k_quantize_params params;
        int64_t dim[] = {40, 64};
        tn_arg args[2] = {
            {TN_ARG_A, 0, tensor(TN_F32, 2, dim, 0)},
            {TN_ARG_OUT, 0, tensor(layouts[which].dtype, 2, dim, layouts[which].layout)}};
        args[0].tensor.stride[0] = 1, args[0].tensor.stride[1] = 41;
        tn_op op = movement(TN_OP_QUANTIZE, args);
        unsigned char *block[2] = {tn_t_block(), tn_t_block()};
        fill_floats(block[0] + TN_T_MIDDLE, 64 * 41, &state);
        tn_t_rows(&tn_k_op_quantize, &op, block, 1, false, &params);
        for (int b = 0; b < 80; b++) {
            const uint8_t *out = block[1] + TN_T_MIDDLE + b * layouts[which].bytes;
            double most = 0;
            float x[32];
            for (int i = 0; i < 32; i++) {
                memcpy(&x[i], block[0] + TN_T_MIDDLE + 4 * (b / 2 + (b % 2 * 32 + i) * 41), 4);
                most = fmax(most, fabs((double)x[i]));
            }
            bool f4 = layouts[which].layout == TN_LAYOUT_MXFP4;
            double low = layouts[which].layout == TN_LAYOUT_Q4_0 ? -8 : -128, scale;
            if (f4) {
                scale = exp2(floor(log2(most)) - 2);
                TN_EXPECT(ldexp(1.0, out[0] - 127) == scale, "%d", out[0]);
            } else {
                uint16_t h;
                memcpy(&h, out, 2);
                scale = tn_c_f16_widen(h);
                double ideal = most / (low == -8 ? 8 : 127); /* half an ulp of f16, one of f32 */
                TN_EXPECT(fabs(fabs(scale) - ideal) <= ideal * (0x1p-11 + 0x1p-23));
            }
            for (int i = 0; i < 32; i++) {
                double back = meaning(layouts[which].layout, out, i) / scale,
                       v = (double)x[i] / scale;
                double m = fabs(back), step = !f4 ? 1 : m < 2 ? 0.5 : m < 4 ? 1 : 2;
                double high = f4 ? 6 : -low - 1;
                v = fmin(fmax(v, f4 ? -6 : low), high);
                /* half a step, and the rounding of x / scale; at powers of two the step below is
                 * less */
                TN_EXPECT(fabs(back - v) <= step / 2 * (1 + 0x1p-20), "layout %d, %g is %g", which,
                          v, back);
            }
        }
        free(block[0]);
        free(block[1]);
    }
}

TN_TEST(blocks, odd_blocks)
{
    for (int which = 0; which < 3; which++) {
        float x[32] = {0}, y[32];
        uint8_t b[34];
        tn_k_block_encode(layouts[which].layout, x, b);
        tn_k_block_decode(layouts[which].layout, b, y);
        for (int i = 0; i < 32; i++)
            TN_EXPECT(y[i] == 0.0f);
        static const float odd[] = {NAN, INFINITY, -INFINITY};
        for (int o = 0; o < 3; o++) {
            x[7] = odd[o];
            tn_k_block_encode(layouts[which].layout, x, b);
            tn_k_block_decode(layouts[which].layout, b, y);
            for (int i = 0; i < 32; i++)
                TN_EXPECT(y[i] != y[i], "layout %d element %d: %g", which, i, (double)y[i]);
        }
        /* Beyond what an f16 scale reaches: the largest that it does. */
        for (int i = 0; i < 32; i++)
            x[i] = i % 2 ? -0x1p126f : 0x1p126f;
        tn_k_block_encode(layouts[which].layout, x, b);
        tn_k_block_decode(layouts[which].layout, b, y);
        for (int i = 0; i < 32; i++)
            TN_EXPECT(isfinite(y[i]) && (y[i] > 0) == (x[i] > 0), "layout %d: %g", which,
                      (double)y[i]);
        TN_EXPECT(tn_k_block_bytes(layouts[which].layout) == (uint32_t)layouts[which].bytes);
    }
    TN_EXPECT(tn_k_block_bytes(TN_LAYOUT_STRIDED) == 0);
    /* Ties of f4e2m1 go to even bits. */
    static const float ties[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f, 100.0f, -0.25f};
    static const uint8_t bits[] = {0, 2, 2, 4, 4, 6, 6, 7, 8};
    for (int i = 0; i < 9; i++)
        TN_EXPECT(tn_k_f4_nearest(ties[i]) == bits[i], "%g", (double)ties[i]);
}
