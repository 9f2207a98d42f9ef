/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of rope, top-k, scan, resize, weights in blocks, caches of keys, and of the gradients of
 * functions and gather. */
#include <conformance/cases/case_list.h>

#include <stdio.h>

#define B TN_V_BIT

static const char *const floats[] = {"f32", "bf16", "f16"};
static const char *const all[] = {"f32", "bf16", "f16", "s32", "s8", "u8", "s64"};

static void ropes(tn_v_sink *s)
{
    static const char *const forms[] = {"5x16:%s",
                                        "2x3x5x16:%s:index=5",
                                        "5x16:%s:interleaved",
                                        "7x64:%s:rotary=32",
                                        "2x4x9x80:%s:interleaved+rotary=20",
                                        "1x128:%s",
                                        "3x17x34:%s:index=3x1",
                                        "2x3x5x16:%s:index=5+a=2x3x5x16@240x80x1x5"};
    for (unsigned t = 0; t < 3; ++t)
        for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_WIDE), "rope", forms[i],
                          floats[t]);
        }
}

static void chosen(tn_v_sink *s)
{
    static const char *const forms[] = {
        "4x9:%s:axis=1+k=3",          "33x7:%s:axis=0+k=5+smallest", "4x130:%s:axis=1+k=130",
        "2x3x40:%s:axis=-1+k=1",      "2x40x3:%s:axis=1+k=7",        "5x300:%s:axis=1+k=2+smallest",
        "6x9:%s:axis=1+k=9+smallest", "1x70:%s:axis=1+k=64"};
    for (unsigned t = 0; t < 7; ++t)
        for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; ++i) {
            tn_v_add_form(s, (t + i) % 2 ? TN_V_QUICK : TN_V_STANDARD, 4,
                          B(TN_V_ZERO_MEAN) | B(TN_V_EDGE) | (t < 3 ? B(TN_V_SPECIAL) : 0), "topk",
                          forms[i], all[t]);
        }
    for (unsigned t = 0; t < 7; ++t) {
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_EDGE),
                 "topk 4x19:%s:axis=1+k=3+index=4x3/s32", all[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_EDGE),
                 "topk 4x19:%s,s32:axis=1+k=1+indices", all[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN) | B(TN_V_EDGE),
                 "topk 21x4:%s,s64:axis=0+k=4+indices+smallest", all[t]);
    }
}

static void scans(tn_v_sink *s)
{
    static const char *const forms[] = {
        "4x9:%s:axis=1",          "4x9:%s:axis=1+exclusive",
        "4x33:%s:axis=1+reverse", "5x130:%s:axis=1+exclusive+reverse",
        "70x5:%s:axis=0",         "3x7x11:%s:axis=1+reverse+exclusive",
        "2x300:%s:axis=1",        "2x4x9:%s:axis=2+a=2x4x9@1x2x10"};
    for (unsigned t = 0; t < 7; ++t)
        for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | (t < 3 ? B(TN_V_POSITIVE) : 0),
                          "scan", forms[i], all[t]);
        }
    for (unsigned t = 0; t < 3; ++t)
        tn_v_add(s, TN_V_STANDARD, 6, B(TN_V_ZERO_MEAN), "scan 2x1500:%s:axis=1", floats[t]);
}

static void resizes(tn_v_sink *s)
{
    static const char *const near[] = {"1x2x5x7:%s:out=1x2x9x4",
                                       "1x2x5x7:%s:scale=1x1x2x0.5",
                                       "1x2x6x8:%s:out=1x2x3x17+asymmetric+floor",
                                       "2x1x5x7:%s:out=2x1x11x3+align_corners+prefer_ceil",
                                       "3x11:%s:out=3x26+ceil",
                                       "1x3x4:%s:out=1x3x1+pytorch_half_pixel",
                                       "1x5x7x2:%s:out=1x10x14x2"};
    static const char *const blended[] = {"1x2x5x7:%s:out=1x2x9x4",
                                          "1x2x5x7:%s:scale=1x1x2x0.5",
                                          "1x2x6x8:%s:out=1x2x3x17+asymmetric",
                                          "2x1x5x7:%s:out=2x1x11x3+align_corners",
                                          "3x11:%s:out=3x26",
                                          "1x3x4:%s:out=1x3x1+pytorch_half_pixel",
                                          "1x5x7x2:%s:out=1x10x14x2",
                                          "1x2x5x7:%s:out=1x2x9x4+a=1x2x5x7@70x35x1x5"};
    for (unsigned t = 0; t < 7; ++t)
        for (unsigned i = 0; i < sizeof near / sizeof near[0]; ++i) {
            tn_v_add_form(s, (t + i) % 2 ? TN_V_QUICK : TN_V_STANDARD, 6, B(TN_V_SPECIAL),
                          "resize nearest", near[i], all[t]);
        }
    for (unsigned t = 0; t < 3; ++t)
        for (unsigned i = 0; i < sizeof blended / sizeof blended[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE), "resize linear",
                          blended[i], floats[t]);
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_WIDE), "resize cubic",
                          blended[i], floats[t]);
        }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
             "resize cubic 1x2x5x7:f32:out=1x2x9x4+value=-0.5");
}

static void gradients(tn_v_sink *s)
{
    static const char *const unary[] = {
        "neg", "abs",  "square",  "relu", "rint", "recip",     "sqrt", "rsqrt", "exp", "exp2",
        "log", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "erf",  "sin",   "cos"};
    for (unsigned k = 0; k < sizeof unary / sizeof unary[0]; ++k) {
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE),
                 "eltwise %s 33x65:f32:backward", unary[k]);
        tn_v_add(s, TN_V_STANDARD, 6, B(TN_V_ZERO_MEAN), "eltwise %s 263x267:f32:backward",
                 unary[k]);
    }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
             "eltwise clamp 33x65:f32:backward+pa=-0.5+pb=0.75");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "eltwise scale 33x65:f32:backward+pa=-3+pb=1");
    for (unsigned t = 0; t < 3; ++t) {
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "gather 11x6:%s:axis=0+index=9/s64+backward",
                 floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
                 "gather 4x70:%s:axis=0+index=130/s32+backward", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN),
                 "gather 5x8x3:%s:axis=1+index=3x2/s32+backward", floats[t]);
    }
}

static void caches(tn_v_sink *s)
{
    static const char *const paged[] = {
        "b2h2q9k16d16:%s:page=4+pages=2x4+k=8x2x4x16+v=8x2x4x16",
        "b2h4g2q1k64d64:%s:page=16+pages=2x4+k=9x2x16x64+v=9x2x16x64+lengths+causal_end",
        "b1h2q5k24d32:%s:page=8+pages=1x3+k=5x2x8x32+v=5x2x8x32+causal_end",
        "b2h2q3k40d16:%s:page=8+pages=2x5+k=12x2x8x16+v=12x2x8x16+window=9x0+causal_end"};
    static const char *const bytes[] = {
        "h2q9k16d16:%s,s8,s8,%s:scale_of_k=-+scale_of_v=-",
        "b2h4g2q5k33d32:%s,s8,s8,%s:causal_end+scale_of_k=2x1+scale_of_v=2x1",
        "b2h2q3k40d64:%s,s8,s8,%s:scale_of_k=2x2x40+scale_of_v=2x2x40+lengths"};
    static const char *const more[] = {"b2h2q9k33d16:%s:sinks",
                                       "b2h4g2q17k40d32:%s:sinks+causal_end+window=12x0",
                                       "b1h2q9k33d16:%s:slopes+causal",
                                       "b2h2q9k33d16:%s:slopes+sinks+softcap=8",
                                       "h3q1k130d64:%s:sinks+slopes",
                                       "b1h2q9k33d16:%s:stats",
                                       "b2h4g2q17k40d32:%s:stats+causal_end+lengths",
                                       "h3q5k130d64:%s:stats+sinks+window=20x3"};
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_EDGE) | B(TN_V_RISE);
    for (unsigned t = 0; t < 3; ++t) {
        for (unsigned i = 0; i < sizeof paged / sizeof paged[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, c, "attention", paged[i], floats[t]);
        }
        for (unsigned i = 0; i < sizeof bytes / sizeof bytes[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "attention", bytes[i], floats[t]);
        }
        for (unsigned i = 0; i < sizeof more / sizeof more[0]; ++i) {
            tn_v_add_form(s, TN_V_QUICK, 6, c, "attention", more[i], floats[t]);
        }
    }
}

static void blocks(tn_v_sink *s)
{
    static const char *const layouts[] = {"q4_0", "q8_0", "mxfp4"};
    static const char *const sizes[] = {"5x32x64", "1x33x128", "17x7x32", "3x100x320", "1x16x1056"};
    static const char *const made[] = {"9x64:%s,%s:bounded", "32:%s,%s:canonical",
                                       "3x5x96:%s,%s:bounded+a=3x5x96@1x300x3",
                                       "7x160:%s,%s:bounded+a=7x160@200x1+out=7x160@224x1"};
    for (unsigned l = 0; l < 3; ++l)
        for (unsigned t = 0; t < 3; ++t) {
            for (unsigned z = 0; z < sizeof sizes / sizeof sizes[0]; ++z)
                tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul %s:%s,%s,%s:nt%s", sizes[z],
                         floats[t], layouts[l], floats[t], z % 2 ? "+bias" : "");
            tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "dequantize 9x64:%s,%s:bounded",
                     layouts[l], floats[t]);
            for (unsigned z = 0; z < sizeof made / sizeof made[0]; ++z) {
                char op[96];
                snprintf(op, sizeof op, made[z], floats[t], layouts[l]);
                tn_v_add(s, TN_V_QUICK, 4,
                         B(TN_V_ZERO_MEAN) | B(TN_V_TIES) | B(TN_V_SPECIAL) | B(TN_V_HUGE),
                         "quantize %s", op);
            }
        }
}

void tn_v_list_places(tn_v_sink *s)
{
    ropes(s);
    chosen(s);
    scans(s);
    resizes(s);
    gradients(s);
    caches(s);
    blocks(s);
}
