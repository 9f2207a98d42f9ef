/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of attention, softmax, norms, reductions, pools, elementwise functions and moves. */
#include <conformance/cases/case_list.h>

#include <stdio.h>

#define B TN_V_BIT

static const char *const types[] = {"f32", "bf16", "f16"};

void tn_v_list_attention(tn_v_sink *s)
{
    static const char *const shapes[] = {"b1h2q9k33d16", "b2h4g2q17k40d32", "h3q1k130d64",
                                         "b1h2q33k129d24e40", "b1h1q64k64d64"};
    static const char *const keys[] = {"",
                                       ":causal",
                                       ":causal_end",
                                       ":mask",
                                       ":window=7x3",
                                       ":scale=0.25",
                                       ":lengths+causal_end",
                                       ":softcap=5",
                                       ":causal+window=12x0",
                                       ":mask=%dx%d/f32"};
    uint32_t c = B(TN_V_ONE_HOT) | B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_RISE) | B(TN_V_EDGE) |
                 B(TN_V_WIDE);
    static const int q[] = {9, 17, 1, 33, 64}, k[] = {33, 40, 130, 129, 64};
    for (int t = 0; t < 3; ++t)
        for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; ++i)
            for (unsigned m = 0; m < sizeof keys / sizeof keys[0]; ++m) {
                char key[48];
                if (m == 6 && shapes[i][0] == 'h')
                    continue;
                if (m == 9)
                    snprintf(key, sizeof key, ":mask=%dx%d/f32", q[i], k[i]);
                else
                    snprintf(key, sizeof key, "%s", keys[m]);
                bool first = (m < 4 && (t == 0 || i < 2)) || (m + i) % 5 == (unsigned)t;
                tn_v_add(s, first ? TN_V_QUICK : TN_V_STANDARD, 6, c, "attention %s:%s%s",
                         shapes[i], types[t], key);
            }
    for (int t = 0; t < 3; ++t) {
        uint32_t b = B(TN_V_ZERO_MEAN) | B(TN_V_EDGE);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_SPECIAL), "attention b1h2q16k17d16:%s:causal", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "attention b1h2q8k24d16:%s:canonical+causal_end", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, b, "attention b1h2q9k13d16:%s:backward", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, b, "attention b2h4g2q11k11d16e12:%s:backward+causal", types[t]);
        tn_v_add(s, TN_V_STANDARD, 6, b, "attention b1h2q9k13d32:%s:backward+mask", types[t]);
        tn_v_add(s, TN_V_STANDARD, 6, b, "attention b1h2q33k40d64:%s:backward+causal_end",
                 types[t]);
        tn_v_add(s, TN_V_STANDARD, 6, c, "attention b1h2q5k300d64:%s:causal_end", types[t]);
    }
}

static void norms(tn_v_sink *s)
{
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_EDGE) | B(TN_V_WIDE) | B(TN_V_POSITIVE);
    static const char *const rows[] = {"5x64", "3x33", "4x384", "2x1025"};
    for (int t = 0; t < 3; ++t)
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
            tn_v_list from = i < 3 ? TN_V_QUICK : TN_V_STANDARD;
            tn_v_add(s, from, 6, c, "norm layer %s:%s:eps=1e-5+gamma+beta", rows[i], types[t]);
            tn_v_add(s, from, 6, c, "norm rms %s:%s:eps=1e-3+gamma", rows[i], types[t]);
        }
    for (int t = 0; t < 3; ++t) {
        tn_v_add(s, TN_V_QUICK, 6, c, "norm layer 2x3x40:%s:axes=2+eps=0.01", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "norm layer 16x16:%s:eps=0.5+gamma", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "norm group 2x8x4x5:%s:groups=4+eps=0.001+gamma+beta",
                 types[t]);
    }
    tn_v_add(s, TN_V_QUICK, 6, c, "norm batch 2x8x4x5:f32:eps=0.001+gamma+beta+stats");
    /* channels of any dim, of any place in memory, and none but themselves */
    static const char *const batch[] = {
        "2x8x4x5:f32:axes=2+eps=0.001+gamma+beta+stats",
        "2x8x4x5:f32:axes=1+eps=0.001+gamma+beta+stats",
        "3x7x33:f32:axes=1+eps=1e-5+gamma+stats",
        "5x6:f32:eps=0.25+beta+stats",
        "9:f32:axes=1+eps=0.001+gamma+beta+stats",
        "4x4x4x4:f32:axes=4+eps=0.001+gamma+beta+stats",
        "4x4x4:f32:axes=2+eps=0.001+stats",
        "2x8x4x5:f32:eps=0.001+gamma+beta+stats+a=2x8x4x5@160x1x40x8+out=2x8x4x5@160x1x40x8",
        "2x33x3x5:f32:eps=0.001+gamma+beta+stats+a=2x33x3x5@495x1x165x33",
        "2x16x7x5:f32:eps=0.001+gamma+beta+stats+out=2x16x7x5@600x1x80x16",
        "2x17x3x4x5:f32:eps=0.001+gamma+beta+stats",
        "2x8x5:f32:eps=0.01+gamma=8@3+beta=8@2+stats=2x8@1x2",
        "3x70x65:f32:eps=0.001+gamma+beta+stats"};
    for (unsigned i = 0; i < sizeof batch / sizeof batch[0]; ++i)
        tn_v_add(s, TN_V_QUICK, 6, c, "norm batch %s", batch[i]);
    tn_v_add(s, TN_V_QUICK, 6, c, "norm layer 4x65:f32:backward+eps=1e-5+gamma");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE),
             "norm rms 4x65:f32:backward+eps=1e-3+gamma");
    tn_v_add(s, TN_V_STANDARD, 6, c, "norm group 2x8x4x5:f32:backward+groups=2+eps=0.01");
}

static void reductions(tn_v_sink *s)
{
    static const char *const kinds[] = {"sum", "mean", "max", "min", "sumsq"};
    uint32_t c =
        B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE) | B(TN_V_WIDE) | B(TN_V_EXACT) | B(TN_V_SPECIAL);
    for (int t = 0; t < 3; ++t)
        for (int k = 0; k < 5; ++k) {
            tn_v_add(s, TN_V_QUICK, 6, c, "reduce %s 7x129:%s:axes=1", kinds[k], types[t]);
            tn_v_add(s, TN_V_QUICK, 6, c, "reduce %s 16x16:%s:axes=0", kinds[k], types[t]);
            tn_v_add(s, TN_V_QUICK, 6, c, "reduce %s 2x5x33:%s:axes=0x2", kinds[k], types[t]);
            tn_v_add(s, TN_V_STANDARD, 6, c, "reduce %s 500x65:%s:axes=1", kinds[k], types[t]);
            tn_v_add(s, TN_V_STANDARD, 6, c, "reduce %s 3x9000:%s:axes=1", kinds[k], types[t]);
        }
}

static void pools(tn_v_sink *s)
{
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL);
    for (int t = 0; t < 3; ++t) {
        tn_v_add(s, TN_V_QUICK, 6, c,
                 "pool max 1x3x8x9:%s:window=3x2+stride=2x2+dilation=1x2+lo=1x0+hi=0x1+ceil",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c,
                 "pool average 2x5x9x7:%s:window=3x3+stride=2x1+lo=1x1+hi=1x1+count_padding",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "pool average 2x9x7x5:%s:window=2x3+lo=1x0+hi=0x2+nhwc",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "pool max 2x6x20:%s:window=5+stride=2+lo=2", types[t]);
        tn_v_add(s, TN_V_QUICK, 6, c, "pool average 2x8x9x4:%s", types[t]);
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
             "pool max 1x4x30x3:u8:window=5x2+stride=2x1+lo=2x0");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
             "pool max 1x4x30x3:s8:window=5x2+stride=2x1+lo=2x0");
}

static void elementwise(tn_v_sink *s)
{
    static const char *const unary[] = {
        "neg", "abs",  "square",  "relu", "rint", "recip",     "sqrt", "rsqrt", "exp", "exp2",
        "log", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "erf",  "sin",   "cos"};
    for (unsigned k = 0; k < sizeof unary / sizeof unary[0]; ++k) {
        uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL);
        tn_v_add(s, TN_V_QUICK, 4, c, "eltwise %s 64x129:f32", unary[k]);
        tn_v_add(s, TN_V_STANDARD, 4, c, "eltwise %s 1024x1024:f32", unary[k]);
        for (int t = 1; t < 3; ++t) /* every 16-bit input */
            tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "eltwise %s 256x256:%s", unary[k],
                     types[t]);
    }
    static const char *const binary[] = {"add", "sub",   "mul",  "div",       "max",
                                         "min", "equal", "less", "less_equal"};
    for (unsigned k = 0; k < sizeof binary / sizeof binary[0]; ++k)
        for (int t = 0; t < 4; ++t) {
            static const char *const all[] = {"f32", "bf16", "f16", "s32"};
            if (t == 3 && k == 3)
                continue;
            uint32_t c =
                t == 3 ? B(TN_V_ZERO_MEAN) : B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL) | B(TN_V_WIDE);
            tn_v_add(s, TN_V_QUICK, 4, c, "eltwise %s 33x65:%s", binary[k], all[t]);
            tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN), "eltwise %s 5x7x9:%s:b=7x1", binary[k],
                     all[t]);
        }
    tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL), "eltwise fma 33x65:f32");
    tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN), "eltwise where 33x65:f32");
    tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL),
             "eltwise clamp 33x65:f32:pa=-1+pb=1");
    tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL),
             "eltwise scale 33x65:f32:pa=0.3+pb=-2");
}

void tn_v_list_rows(tn_v_sink *s)
{
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_RISE) | B(TN_V_EDGE) | B(TN_V_SPECIAL);
    for (int t = 0; t < 3; ++t) {
        static const char *const rows[] = {"7x33:%s:axis=1", "16x16:%s:axis=0", "16x16:%s:axis=1",
                                           "3x5x257:%s:axis=-1", "4x1000:%s:axis=1"};
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
            char op[64];
            snprintf(op, sizeof op, rows[i], types[t]);
            tn_v_add(s, TN_V_QUICK, 6, c, "softmax %s", op);
            tn_v_add(s, i < 3 ? TN_V_QUICK : TN_V_STANDARD, 6, c, "softmax %s+log", op);
        }
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "softmax 7x65:f32:backward+axis=1");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "softmax 7x65:f32:backward+axis=1+log");
    norms(s);
    reductions(s);
    pools(s);
    elementwise(s);
}

void tn_v_list_moves(tn_v_sink *s)
{
    static const char *const all[] = {"f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2",
                                      "s64", "s32", "s8",  "u8",   "bool"};
    enum { ALL = sizeof all / sizeof all[0] };
    for (unsigned a = 0; a < ALL; ++a) {
        uint32_t c = B(TN_V_SPECIAL);
        tn_v_add(s, TN_V_QUICK, 4, c, "copy 33x65:%s", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "copy 40x24:%s:a=40x24@1x40", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "copy 16x16:%s:a=16x16@1x16", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "copy 7x19x5:%s:a=7x19x5@200x7x1+out=7x19x5@100x5x1", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "concat 3x7:%s:axis=1+input1=3x5+input2=3x1", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "pad 4x9:%s:lo=1x2+hi=0x3", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "pad 6x9:%s:lo=2x-1+hi=1x2+reflect", all[a]);
        tn_v_add(s, TN_V_QUICK, 4, c, "gather 11x6:%s:axis=0+index=9/s64", all[a]);
        tn_v_add(s, TN_V_STANDARD, 4, c, "gather 5x8:%s:axis=1+index=3x2/s32", all[a]);
        for (unsigned b = 0; b < ALL; ++b)
            if (a != b) {
                tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "copy 256x9:%s,%s", all[a], all[b]);
                tn_v_add(s, a < 6 ? TN_V_QUICK : TN_V_STANDARD, 4, B(TN_V_TIES), "copy 64x9:%s,%s",
                         all[a], all[b]);
            }
    }
    uint32_t q = B(TN_V_ZERO_MEAN) | B(TN_V_TIES) | B(TN_V_SPECIAL);
    for (int t = 0; t < 3; ++t) {
        tn_v_add(s, TN_V_QUICK, 4, q, "quantize 9x32:%s,s8:axis=0+scale_of_out+zero_of_out",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 4, q, "quantize 9x32:%s,u8:axis=1+scale_of_out+zero_of_out",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 4, q, "quantize 9x32:%s,s8:axis=1+group=8+scale_of_out", types[t]);
        tn_v_add(s, TN_V_QUICK, 4, q, "quantize 9x32:%s,f8e4m3:scale_of_out=-", types[t]);
        tn_v_add(s, TN_V_QUICK, 4, q, "dequantize 9x32:s8,%s:axis=1+group=8+scale_of_a+zero_of_a",
                 types[t]);
        tn_v_add(s, TN_V_QUICK, 4, q, "dequantize 9x32:u8,%s:axis=0+scale_of_a", types[t]);
    }
    tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN),
             "quantize 9x32:s32,u8:axis=1+scale_of_a+zero_of_out");
}
