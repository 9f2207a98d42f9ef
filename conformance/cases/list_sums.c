/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of matmul and convolution: sizes round tile borders, layouts, types, epilogues. */
#include <conformance/cases/case_list.h>

#include <stdio.h>

#define B TN_V_BIT
enum {
    CORE = 1u << TN_V_ONE_HOT | 1u << TN_V_EXACT | 1u << TN_V_ZERO_MEAN | 1u << TN_V_SPECIAL,
    FLOATS = CORE | 1u << TN_V_POSITIVE | 1u << TN_V_WIDE | 1u << TN_V_TIES | 1u << TN_V_ROUND |
             1u << TN_V_ORDER | 1u << TN_V_GRADED,
    WHOLE = 1u << TN_V_ONE_HOT | 1u << TN_V_EXACT | 1u << TN_V_ZERO_MEAN
};

static const char *const float_types[] = {
    "f32", "bf16", "f16", "bf16,bf16,f32", "f16,f16,f32", "f8e4m3,f8e4m3,f32", "f8e5m2,f8e5m2,f32",
    "f64"};
static const char *const layouts[] = {"nn", "nt", "tn", "tt"};

typedef struct size3 {
    int m, n, k;
} size3;

/* Round the tiles of vector units (6, 14, 16, 32, 64), round K borders (128, 256, 448) and primes.
 */
static const size3 quick[] = {{1, 1, 1},    {3, 5, 7},     {1, 33, 64},  {16, 16, 16},
                              {17, 33, 65}, {33, 31, 129}, {24, 40, 257}};
static const size3 more[] = {{1, 1, 257},   {2, 3, 2},     {7, 1, 63},   {15, 17, 31},
                             {31, 64, 127}, {64, 63, 128}, {65, 65, 64}, {13, 97, 255},
                             {40, 24, 449}, {5, 16, 1025}, {48, 96, 96}, {1, 128, 512}};

static void sizes(tn_v_sink *s, tn_v_list from, const size3 *z, int count, int every_layout)
{
    for (unsigned t = 0; t < sizeof float_types / sizeof float_types[0]; ++t)
        for (int i = 0; i < count; ++i)
            for (int l = 0; l < 4; ++l)
                if (every_layout || l == (int)(t + (unsigned)i) % 4 ||
                    (t < 3 && i > 3 && l == (int)t))
                    tn_v_add(s, from, i < 4 ? 5 : 6, FLOATS, "matmul %dx%dx%d:%s:%s", z[i].m,
                             z[i].n, z[i].k, float_types[t], layouts[l]);
}

void tn_v_list_matmul(tn_v_sink *s)
{
    sizes(s, TN_V_QUICK, quick, sizeof quick / sizeof quick[0], 0);
    sizes(s, TN_V_STANDARD, quick, sizeof quick / sizeof quick[0], 1);
    sizes(s, TN_V_STANDARD, more, sizeof more / sizeof more[0], 1);
    static const int edge[] = {1, 2, 3, 6, 7, 14, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127};
    for (unsigned i = 0; i < sizeof edge / sizeof edge[0]; ++i)
        for (unsigned j = 0; j < sizeof edge / sizeof edge[0]; ++j)
            for (unsigned k = 0; k < 6; ++k) {
                static const int depth[] = {1, 31, 128, 129, 256, 1025};
                tn_v_add(s, TN_V_FULL, 6, FLOATS, "matmul %dx%dx%d:%s:%s", edge[i], edge[j],
                         depth[k], float_types[(i + j + k) % 8], layouts[(i * 3 + j + k) % 4]);
            }
    static const char *const types[] = {"f32", "bf16", "f16"};
    for (int t = 0; t < 3; ++t) {
        const char *d = types[t];
        uint32_t c = CORE | B(TN_V_ORDER);
        /* batches, broadcast, leading dims, gaps behind rows */
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 3x9x17x33:%s:nn", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 2x2x7x5x19:%s:nt", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 3x8x16x32:%s:nn+b=32x16", d);
        tn_v_add(s, TN_V_QUICK, 6, c,
                 "matmul 19x21x35:%s:nn+a=19x35@38x1+b=35x21@26x1+out=19x21@24x1", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 16x16x16:%s:nt+a=16x16@17x1+out=16x16@1x16", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 33x33x33:%s:nn", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 32x32x32:%s:tt", d);
        /* epilogues */
        uint32_t e = B(TN_V_ONE_HOT) | B(TN_V_EXACT) | B(TN_V_ZERO_MEAN);
        static const char *const posts[] = {"bias",
                                            "bias+relu",
                                            "add",
                                            "mul",
                                            "bias+gelu",
                                            "gelu_tanh",
                                            "silu",
                                            "clamp=-1/6.5",
                                            "bias+add+relu",
                                            "alpha=0.5+bias",
                                            "alpha=-2+beta=3+c",
                                            "beta=0.5+c"};
        for (unsigned p = 0; p < sizeof posts / sizeof posts[0]; ++p) {
            tn_v_add(s, TN_V_QUICK, 6, e, "matmul 20x20x40:%s:nn+%s", d, posts[p]);
            tn_v_add(s, TN_V_STANDARD, 6, e, "matmul 31x45x65:%s:nt+%s", d, posts[p]);
        }
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_SPECIAL), "matmul 20x20x40:%s:nn+relu", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 33x31x300:%s:nn+canonical", d);
        tn_v_add(s, TN_V_QUICK, 6, c, "matmul 14x34x129:%s:nt+canonical", d);
    }
    static const char *const integers[] = {"s8,s8,s32", "u8,s8,s32", "u8,u8,s32", "s8,u8,s32"};
    for (int t = 0; t < 4; ++t)
        for (int i = 0; i < 7; ++i)
            for (int l = 0; l < 4; ++l)
                tn_v_add(s, l == (t + i) % 4 ? TN_V_QUICK : TN_V_STANDARD, i < 4 ? 5 : 6, WHOLE,
                         "matmul %dx%dx%d:%s:%s+exact", quick[i].m, quick[i].n, quick[i].k,
                         integers[t], layouts[l]);
    uint32_t z = B(TN_V_ZERO_MEAN);
    tn_v_add(s, TN_V_QUICK, 6, z, "matmul 9x17x33:u8,s8,s32:zero_of_a+zero_of_b");
    tn_v_add(s, TN_V_QUICK, 6, z, "matmul 9x17x33:s8,s8,f32:scale_of_a+scale_of_b=17");
    tn_v_add(
        s, TN_V_QUICK, 6, z,
        "matmul "
        "9x17x33:u8,s8,s8:bias+relu+scale_of_a=9+scale_of_b=17+scale_of_out+zero_of_a+zero_of_out");
    tn_v_add(
        s, TN_V_QUICK, 6, z,
        "matmul 16x24x65:u8,s8,u8:scale_of_a+scale_of_b=24+scale_of_out+zero_of_b=24+zero_of_out");
    tn_v_add(s, TN_V_STANDARD, 6, z, "matmul 33x49x129:u8,u8,f32:bias+scale_of_a=33+scale_of_b=49");
}

void tn_v_list_conv(tn_v_sink *s)
{
    static const char *const shapes[] = {
        "n1c3h9w8k4r3s3p1",    "n2c8h7w7k5r3s3",       "n1c16h9w10k17r3s3p1u2",
        "n1c8h11w9k8r3s3p2l2", "n1c16h6w7k33r1s1",     "n1c6h9w9k9r3s3p1g3",
        "n2c8h9w9k8r3s3p1g8",  "n1c5h12w11k7r5s3p2u2", "n1c4h7w7k6r7s7p3"};
    static const char *const lopsided[] = {"n1c4h8w7k6r3s2:%s:lo=1x0+hi=0x1",
                                           "n1c4h9w10k6r3s3:%s:stride=2x1+lo=2x1+hi=1x0",
                                           "n1c3h9w8k4r2s3:%s:dilation=1x2+lo=0x2+hi=1x1",
                                           "n1c8h8w8k8r3s3p1:%s:bias+relu",
                                           "n2c6w50k8s5g2u2l3:%s",
                                           "n1c4d5h6w7k5t2r2s3:%s",
                                           "n1c4w33k6s4:%s:lo=3+hi=1"};
    static const char *const types[] = {"f32", "bf16", "f16"};
    uint32_t c = CORE | B(TN_V_POSITIVE);
    for (int t = 0; t < 3; ++t) {
        for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
            tn_v_add(s, TN_V_QUICK, 6, i < 6 || t == 0 ? c : CORE, "conv %s:%s", shapes[i],
                     types[t]);
            tn_v_add(s, t == 0 ? TN_V_QUICK : TN_V_STANDARD, 6, CORE, "conv %s:%s:nhwc", shapes[i],
                     types[t]);
            tn_v_add(s, TN_V_STANDARD, 6, c, "conv %s:%s:bias+relu", shapes[i], types[t]);
        }
        for (unsigned i = 0; i < sizeof lopsided / sizeof lopsided[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, CORE, "conv", lopsided[i], types[t]);
        }
        tn_v_add(s, TN_V_QUICK, 6, CORE,
                 "conv n1c8h5w6k4r3s3u2:%s:transposed+lo=1x0+hi=0x1+out_pad=1x0", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, CORE, "conv n1c6h5w5k9r3s3p1g3:%s:transposed", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_EXACT) | B(TN_V_ZERO_MEAN),
                 "conv n2c4h8w9k6r3s3p1u2:%s:backward_weights", types[t]);
        tn_v_add(s, TN_V_STANDARD, 6, B(TN_V_EXACT) | B(TN_V_ZERO_MEAN),
                 "conv n2c6h8w9k6r3s2p1g2:%s:backward_weights+nhwc", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, CORE, "conv n1c8h8w8k8r3s3:%s", types[t]);
    }
    for (int i = 0; i < 6; ++i) {
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_EXACT), "conv %s:s8,s8,s32:exact", shapes[i]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_EXACT), "conv %s:u8,s8,s32:exact+nhwc", shapes[i]);
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "conv n1c8h12w12k8r3s3p1:f32:fast+winograd");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_GRADED), "conv n1c32h16w16k32r3s3p1:f32");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_GRADED), "conv n1c16h12w12k16r3s3p1:f16");
    tn_v_add(s, TN_V_STANDARD, 6, B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE),
             "conv n1c32h24w24k32r3s3p1:f32:fast+winograd");
}
