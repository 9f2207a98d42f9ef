/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the classes that a call has to name: FAST, held to what its plan declares, and
 * CANONICAL, held to the bits of its order. */
#include <conformance/cases/case_list.h>

#include <stdio.h>

#define B TN_V_BIT

static const char *const floats[] = {"f32", "bf16", "f16"};

/* Every function alone: what a row of class FAST declares is its own, and no other case meets it.
 */
static void fast_functions(tn_v_sink *s)
{
    static const char *const kinds[] = {"recip",     "sqrt", "rsqrt",   "exp",  "exp2",
                                        "log",       "tanh", "sigmoid", "silu", "gelu",
                                        "gelu_tanh", "erf",  "sin",     "cos"};
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; ++k) {
        tn_v_add(s, TN_V_QUICK, 4,
                 B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL) | B(TN_V_WIDE) | B(TN_V_HUGE) | B(TN_V_REPEAT),
                 "eltwise %s 37x67:f32:fast", kinds[k]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN),
                 "eltwise %s 9x17x33:f32:fast+a=9x17x33@600x1x17+out=9x17x33@700x40x1", kinds[k]);
        tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL),
                 "eltwise %s 1024x1024:f32:fast", kinds[k]);
        for (unsigned t = 1; t < 3; ++t) /* every 16-bit input */
            tn_v_add(s, k % 2 + 1 == t ? TN_V_QUICK : TN_V_STANDARD, 4, B(TN_V_SPECIAL),
                     "eltwise %s 256x256:%s:fast", kinds[k], floats[t]);
    }
}

static void fast_rows(tn_v_sink *s)
{
    static const char *const softmax[] = {"7x33:%s:fast+axis=1", "16x16:%s:fast+axis=0",
                                          "3x5x257:%s:fast+axis=-1+log", "70x31:%s:fast+axis=1",
                                          "2x4097:%s:fast+axis=1+log"};
    static const char *const norm[] = {
        "layer 5x64:%s:fast+eps=1e-5+gamma+beta", "layer 2x1025:%s:fast+eps=1e-3+gamma",
        "rms 3x33:%s:fast+eps=1e-3+gamma", "group 2x8x4x5:%s:fast+groups=4+eps=0.001+gamma+beta"};
    static const char *const reduce[] = {"sum 7x129:%s:fast+axes=1", "mean 16x33:%s:fast+axes=0",
                                         "sumsq 3x4097:%s:fast+axes=1"};
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_EDGE);
    for (int t = 0; t < 3; ++t) {
        for (unsigned i = 0; i < sizeof softmax / sizeof softmax[0]; ++i)
            tn_v_add_form(s, TN_V_QUICK, 6, c | B(TN_V_RISE) | B(TN_V_SPECIAL), "softmax",
                          softmax[i], floats[t]);
        for (unsigned i = 0; i < sizeof norm / sizeof norm[0]; ++i)
            tn_v_add_form(s, TN_V_QUICK, 6, c | B(TN_V_WIDE), "norm", norm[i], floats[t]);
        for (unsigned i = 0; i < sizeof reduce / sizeof reduce[0]; ++i)
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_EXACT) | B(TN_V_POSITIVE),
                          "reduce", reduce[i], floats[t]);
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
             "norm batch 2x8x4x5:f32:fast+eps=0.001+gamma+stats");
}

/* Sums, with every function that can stand behind one, and with narrow products where the call
 * allows them. */
static void fast_sums(tn_v_sink *s)
{
    static const char *const posts[] = {"", "+bias+gelu", "+gelu_tanh", "+bias+silu", "+bias+relu"};
    uint32_t c = B(TN_V_EXACT) | B(TN_V_ZERO_MEAN);
    for (int t = 0; t < 3; ++t) {
        for (unsigned p = 0; p < sizeof posts / sizeof posts[0]; ++p) {
            tn_v_add(s, TN_V_QUICK, 6, c, "matmul 33x31x129:%s:nn+fast%s", floats[t], posts[p]);
            tn_v_add(s, p % 3 == (unsigned)t ? TN_V_QUICK : TN_V_STANDARD, 6, c,
                     "conv n1c3h9w8k4r3s3p1:%s:fast%s", floats[t], posts[p]);
        }
        tn_v_add(s, TN_V_QUICK, 6, c | B(TN_V_SPECIAL), "matmul 17x33x65:%s:nt+fast", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_RISE) | B(TN_V_EDGE),
                 "attention b1h2q9k33d16:%s:fast+causal", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_BIG),
                 "attention b2h4g2q17k140d64:%s:fast+softcap=5", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "rope 2x3x5x16:%s:fast+index=5", floats[t]);
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 33x31x129:f32:nn+fast+bf16");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 33x31x129:f32:nt+fast+tf32");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 33x31x129:f16:nn+fast+f16acc");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "conv n1c8h9w8k8r3s3p1:f32:fast+tf32+bf16");
    static const char *const kinds[] = {"tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "exp"};
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; ++k)
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "eltwise %s 33x65:f32:fast+backward",
                 kinds[k]);
}

/* Every function on every 16-bit input, and its derivative. */
static void canonical_functions(tn_v_sink *s)
{
    static const char *const kinds[] = {"recip",     "sqrt", "rsqrt",   "exp",  "exp2",
                                        "log",       "tanh", "sigmoid", "silu", "gelu",
                                        "gelu_tanh", "erf",  "sin",     "cos"};
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; ++k) {
        tn_v_add(s, TN_V_QUICK, 4,
                 B(TN_V_ZERO_MEAN) | B(TN_V_SPECIAL) | B(TN_V_WIDE) | B(TN_V_HUGE),
                 "eltwise %s 41x67:f32:canonical", kinds[k]);
        tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_SPECIAL), "eltwise %s 1024x1024:f32:canonical",
                 kinds[k]);
        for (unsigned t = 1; t < 3; ++t)
            tn_v_add(s, k % 2 + 1 != t ? TN_V_QUICK : TN_V_STANDARD, 4, B(TN_V_SPECIAL),
                     "eltwise %s 256x256:%s:canonical", kinds[k], floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE),
                 "eltwise %s 33x65:f32:canonical+backward", kinds[k]);
    }
}

/* What the probe at open asks in part (docs/NUMERICS.md section 2): all of its inputs. */
static void canonical_arithmetic(tn_v_sink *s)
{
    static const char *const kinds[] = {"fma",  "add",  "sub",   "mul",  "div",       "recip",
                                        "sqrt", "rint", "equal", "less", "less_equal"};
    for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; ++k) {
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_TRIPLES), "eltwise %s 8192:f32:canonical", kinds[k]);
        tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_TRIPLES), "eltwise %s 1024x1024:f32:canonical",
                 kinds[k]);
    }
    tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_MANTISSAS), "eltwise recip 1024x1024:f32:canonical");
    tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_MANTISSAS), "eltwise sqrt 1024x1024:f32:canonical");
    tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_MANTISSAS), "eltwise rsqrt 1024x1024:f32:canonical");
}

/* Sums with more chunks, segments and blocks than one, and other ones at their ends. */
static void canonical_orders(tn_v_sink *s)
{
    static const char *const sums[] = {
        "matmul 5x33x129:%s:nn+canonical",
        "matmul 17x19x384:%s:nt+canonical+bias",
        "matmul 3x17x1030:%s:tn+canonical+bias+gelu",
        "matmul 2x7x9x300:%s:nn+canonical",
        "matmul 1x65x640:%s:nt+canonical+alpha=0.5+beta=3+c",
        "conv n1c16h7w6k5r3s3p1:%s:canonical",
        "conv n2c40h5w5k33r3s3p1u2:%s:canonical+bias+silu",
        "conv n1c48h6w7k9r3s2g3:%s:canonical+nhwc",
        "conv n1c33h5w6k35r3s3u2:%s:canonical+transposed+lo=1x0+hi=0x1",
        "conv n3c4h9w11k6r3s3p1u2:%s:canonical+backward_weights",
        "conv n1c260h3w3k5r1s1:%s:canonical",
        "conv n1c24w40k8s7l3g2:%s:canonical+relu",
        "reduce sum 5x129:%s:canonical+axes=1",
        "reduce sum 3x9000:%s:canonical+axes=1",
        "reduce mean 33x70:%s:canonical+axes=0",
        "reduce sumsq 2x4097:%s:canonical+axes=1",
        "reduce mean 5x7x65:%s:canonical+axes=0x2",
        "scan 1x4200:%s:canonical+axis=1",
        "scan 5x130:%s:canonical+axis=1+exclusive+reverse",
        "scan 70x5:%s:canonical+axis=0",
        "gather 5x8:%s:canonical+axis=0+index=700/s32+backward",
        "pool average 1x3x9x11:%s:canonical+window=3x5+lo=1x2+hi=1x2",
        "pool average 2x3x70x5:%s:canonical",
        "rope 2x3x5x16:%s:canonical+index=5",
        "rope 7x64:%s:canonical+interleaved+rotary=32",
        "resize linear 1x2x5x7:%s:canonical+out=1x2x9x4",
        "resize cubic 1x2x5x7:%s:canonical+out=1x2x9x4",
        "resize linear 2x1x5x7:%s:canonical+out=2x1x11x3+align_corners"};
    static const char *const rows[] = {
        "softmax 7x300:%s:canonical+axis=1",
        "softmax 5x33:%s:canonical+axis=1+log",
        "softmax 70x9:%s:canonical+axis=0",
        "softmax 2x9000:%s:canonical+axis=1",
        "norm layer 5x300:%s:canonical+eps=1e-5+gamma+beta",
        "norm layer 3x4097:%s:canonical+eps=1e-3+gamma",
        "norm rms 3x200:%s:canonical+eps=1e-3+gamma",
        "norm rms 9x300:%s:canonical+eps=1e-3",
        "norm group 2x8x4x5:%s:canonical+groups=4+eps=0.001+gamma+beta"};
    static const char *const back[] = {"b2h4g2q70k11d16:%s:backward+canonical",
                                       "b1h2q9k140d24e8:%s:backward+canonical+causal_end",
                                       "h2q5k13d16:%s:backward+canonical+softcap=5+slopes"};
    static const char *const attention[] = {
        "b2h4g2q9k300d32:%s:canonical+causal_end",
        "b1h2q17k140d64:%s:canonical+softcap=5",
        "h3q5k270d64:%s:canonical+sinks+window=150x3",
        "b1h2q9k200d16e24:%s:canonical+slopes+causal",
        "b1h2q33k140d64:%s:canonical+mask=33x140/f32",
        "b2h2q3k260d16:%s:canonical+lengths+mask+stats",
        "b2h4g2q1k192d64:%s:canonical+page=16+pages=2x12+k=30x2x16x64+v=30x2x16x64+causal_end",
        "b2h4g2q5k140d32:%s,s8,s8,%s:canonical+causal_end+scale_of_k=2x1+scale_of_v=2x1"};
    for (unsigned t = 0; t < 3; ++t) {
        for (unsigned i = 0; i < sizeof sums / sizeof sums[0]; ++i) {
            char op[TN_V_NAME];
            snprintf(op, sizeof op, sums[i], floats[t]);
            tn_v_add(s, TN_V_QUICK, 6,
                     B(TN_V_ZERO_MEAN) | (t == 0 ? B(TN_V_POSITIVE) | B(TN_V_WIDE) : 0), "%s", op);
        }
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
            char op[TN_V_NAME];
            snprintf(op, sizeof op, rows[i], floats[t]);
            tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_WIDE), "%s", op);
        }
        for (unsigned i = 0; i < sizeof back / sizeof back[0]; ++i)
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_EDGE), "attention", back[i],
                          floats[t]);
        for (unsigned i = 0; i < sizeof attention / sizeof attention[0]; ++i)
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_RISE) | B(TN_V_EDGE),
                          "attention", attention[i], floats[t]);
    }
    uint32_t one = B(TN_V_ZERO_MEAN) | B(TN_V_WIDE);
    tn_v_add(s, TN_V_QUICK, 6, one, "norm batch 2x8x4x5:f32:canonical+eps=0.001+gamma+beta+stats");
    tn_v_add(s, TN_V_QUICK, 6, one, "norm batch 3x7x33:f32:canonical+axes=1+eps=1e-5+stats");
    tn_v_add(s, TN_V_QUICK, 6, one, "norm layer 4x300:f32:canonical+backward+eps=1e-5+gamma");
    tn_v_add(s, TN_V_QUICK, 6, one, "norm rms 4x300:f32:canonical+backward+eps=1e-3+gamma");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "softmax 7x300:f32:canonical+backward+axis=1");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "softmax 7x65:f32:canonical+backward+axis=1+log");
    tn_v_add(s, TN_V_QUICK, 6, one, "matmul 9x17x300:f8e4m3,f8e4m3,f32:nt+canonical");
    tn_v_add(s, TN_V_QUICK, 6, one, "matmul 9x17x300:bf16,bf16,f32:nn+canonical+bias+relu");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 3x33x320:f32,q4_0,f32:nt+canonical+bias");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 1x33x320:f16,q8_0,f16:nt+canonical");
}

void tn_v_list_classes(tn_v_sink *s)
{
    canonical_functions(s);
    canonical_arithmetic(s);
    canonical_orders(s);

    fast_functions(s);
    fast_rows(s);
    fast_sums(s);
}
