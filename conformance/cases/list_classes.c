/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the classes that a call has to name: FAST, held to what its plan declares. */
#include <conformance/cases/case_list.h>

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
        for (int t = 1; t < 3; ++t) /* every 16-bit input */
            tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "eltwise %s 256x256:%s:fast", kinds[k],
                     floats[t]);
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

void tn_v_list_classes(tn_v_sink *s)
{
    fast_functions(s);
    fast_rows(s);
    fast_sums(s);
}
