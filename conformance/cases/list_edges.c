/* SPDX-License-Identifier: Apache-2.0 */
/* Cases round the borders that kernels have: powers of two, every remainder of a tile, long sums,
 * many columns, many batches, large tensors, empty ones; ops launched again and again. */
#include <conformance/cases/case_list.h>

#include <stdio.h>

#define B TN_V_BIT

static const char *const floats[] = {"f32", "bf16", "f16"};
enum { SUMS = 1u << TN_V_EXACT | 1u << TN_V_ZERO_MEAN };

static void borders(tn_v_sink *s)
{
    static const int power[] = {128, 256, 512, 1024, 2048, 4096, 8192};
    unsigned turn = 0;
    for (unsigned p = 0; p < sizeof power / sizeof power[0]; ++p)
        for (int d = -1; d <= 1; ++d)
            for (unsigned t = 0; t < 3; ++t) {
                int at = power[p] + d;
                tn_v_list from = t == turn % 3 || p < 4 ? TN_V_QUICK : TN_V_STANDARD;
                tn_v_add(s, from, 6, SUMS, "matmul %dx5x7:%s:nn", at, floats[t]);
                tn_v_add(s, from, 6, SUMS, "matmul 5x%dx7:%s:nt", at, floats[t]);
                tn_v_add(s, from, 6, SUMS, "matmul 3x6x%d:%s:nn", at, floats[t]);
                tn_v_add(s, from, 6, SUMS, "matmul 1x%dx35:%s:nn", at, floats[t]);
                tn_v_add(s, from, 6, SUMS, "matmul 1x18x%d:%s:nt", at, floats[t]);
                tn_v_add(s, from, 6, SUMS, "matmul %dx1x34:%s:nn+bias", at, floats[t]);
                turn++;
            }
    for (int at = 65; at < 97; ++at) { /* every remainder of 32 */
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul %dx7x9:%s:nn", at, floats[at % 3]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 5x%dx9:%s:nn", at, floats[at % 3]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 5x7x%d:%s:nt", at, floats[at % 3]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 33x%dx%d:%s:nn+bias+relu", at, at + 7,
                 floats[(at + 1) % 3]);
        for (int t = 0; t < 3; ++t) {
            tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul %dx%dx%d:%s:nn+add", at, at + 1, at + 2,
                     floats[t]);
            tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul %dx6x%d:%s:tt+bias", at - 64, at,
                     floats[t]);
        }
    }
    for (int t = 0; t < 3; ++t) {
        static const char *const batches[] = {"9x3x5x7", "17x1x33x9", "65x5x3x7", "130x2x3x5",
                                              "3x11x4x5x6"};
        for (unsigned i = 0; i < sizeof batches / sizeof batches[0]; ++i)
            tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul %s:%s:nn", batches[i], floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 12x9x5x7:%s:nt+b=5x7", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 12x9x5x7:%s:nn+a=9x7", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 3x4x5x6x7:%s:nn+b=1x4x7x6", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 3x4x5x6x7:%s:nn+a=3x1x5x7+bias", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 9x12x5x6:%s:nn+add", floats[t]);
        /* more columns, terms and products than a counter or a block may have */
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 70x1100x65:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 1040x70x66:%s:nt+bias", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 33x50x4500:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 200x190x180:%s:tn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_EXACT), "matmul 330x310x300:%s:nn", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 520x530x510:%s:nt", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 5x70000x3:%s:nn", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 70000x5x3:%s:nn", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 2x3x70000:%s:nt", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 300x2x3x4:%s:nn", floats[t]);
        tn_v_add(s, TN_V_STANDARD, 6, SUMS, "matmul 1030x1040x130:%s:nn+bias", floats[t]);
        tn_v_add(s, TN_V_FULL, 6, B(TN_V_EXACT), "matmul 1100x1030x1030:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_HUGE), "matmul 33x35x37:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_HUGE), "matmul 3x70x130:%s:nt+bias", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_HUGE), "conv n1c5h9w10k7r3s3p1:%s", floats[t]);
        /* nothing to do, or a sum of nothing */
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 0x5x3:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 4x0x3:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 4x5x0:%s:nn", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 4x5x0:%s:nn+bias", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "matmul 4x5x0:%s:nn+beta=2+c", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS | B(TN_V_SPECIAL), "matmul 20x21x22:%s:nn+beta=0+c",
                 floats[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN), "eltwise neg 0x5:%s", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "reduce sum 0x5:%s:axes=0", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, B(TN_V_ZERO_MEAN), "reduce max 0x5:%s:axes=0", floats[t]);
    }
}

/* Each epilogue at sizes that fill tiles and that do not. */
static void epilogues(tn_v_sink *s)
{
    static const char *const posts[] = {"bias",
                                        "add",
                                        "mul",
                                        "relu",
                                        "bias+gelu",
                                        "gelu_tanh",
                                        "silu",
                                        "clamp=-1/6.5",
                                        "bias+relu",
                                        "bias+add+relu",
                                        "mul+add",
                                        "scale=0.5/0+bias",
                                        "bias+mul+silu",
                                        "relu+add",
                                        "add+bias",
                                        "alpha=0.5+bias",
                                        "alpha=-2+beta=3+c",
                                        "beta=0.5+c+bias+relu",
                                        "alpha=3+beta=-1+c+add",
                                        "gelu+mul"};
    static const char *const sizes[] = {"1x1x1",    "1x17x5",    "17x1x33", "15x33x8",
                                        "64x65x31", "33x129x16", "5x300x7", "130x7x20"};
    static const char *const layouts[] = {"nn", "nt", "tn", "tt"};
    for (unsigned p = 0; p < sizeof posts / sizeof posts[0]; ++p)
        for (unsigned z = 0; z < sizeof sizes / sizeof sizes[0]; ++z)
            for (unsigned t = 0; t < 3; ++t)
                tn_v_add(s, (p + z) % 3 == t ? TN_V_QUICK : TN_V_STANDARD, 6,
                         SUMS | (p % 4 == 0 ? B(TN_V_SPECIAL) : 0), "matmul %s:%s:%s+%s", sizes[z],
                         floats[t], layouts[(p + z) % 4], posts[p]);
    for (unsigned t = 0; t < 3; ++t) {
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 18x35x20:%s:nn+add+post0=1x35", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 18x35x20:%s:nn+mul+post0=18x1", floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 18x35x20:%s:nn+bias+add+post1=18x35@1x18",
                 floats[t]);
        tn_v_add(s, TN_V_QUICK, 6, SUMS, "matmul 18x35x20:%s:nn+beta=2+c+c=18x35@40x1", floats[t]);
    }
}

static void sums_of_bytes(tn_v_sink *s)
{
    static const char *const types[] = {"s8,s8,s32", "u8,s8,s32", "u8,u8,s32", "s8,u8,s32"};
    static const char *const sizes[] = {"1x1x1",     "3x5x7",      "16x16x16",  "17x33x65",
                                        "33x31x129", "64x64x256",  "5x100x300", "1x70x1030",
                                        "40x1x500",  "130x131x132"};
    for (unsigned t = 0; t < 4; ++t)
        for (unsigned z = 0; z < sizeof sizes / sizeof sizes[0]; ++z) {
            int m = 0, n = 0;
            if (sscanf(sizes[z], "%dx%dx", &m, &n) != 2)
                continue;
            tn_v_list from = (t + z) % 2 ? TN_V_QUICK : TN_V_STANDARD;
            uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_WIDE);
            tn_v_add(s, TN_V_QUICK, 6, B(TN_V_WIDE), "matmul %s:%s:nn+exact", sizes[z], types[t]);
            tn_v_add(s, from, 6, c, "matmul %s:%s:nt+zero_of_a", sizes[z], types[t]);
            tn_v_add(s, from, 6, c, "matmul %s:%s:nn+zero_of_b", sizes[z], types[t]);
            tn_v_add(s, from, 6, c, "matmul %s:%s:tn+zero_of_a=%d+zero_of_b=%d", sizes[z], types[t],
                     m, n);
            tn_v_add(s, from, 6, c, "matmul %s:%s:nn+bias+relu+zero_of_a+zero_of_b=%d", sizes[z],
                     types[t], n);
        }
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_WIDE) | B(TN_V_ZERO_MEAN), "matmul 5x19x23:s8,s8,s32:nn+add");
    tn_v_add(s, TN_V_QUICK, 6, B(TN_V_WIDE), "matmul 9x3x40x50:u8,s8,s32:nt+exact");
    for (int i = 0; i < 6; ++i) {
        static const char *const shapes[] = {"n1c3h9w8k4r3s3p1",    "n2c8h7w7k5r3s3",
                                             "n1c8h11w9k8r3s3p2l2", "n1c6h9w9k9r3s3p1g3",
                                             "n1c16h6w7k33r1s1",    "n2c8h9w9k8r3s3p1g8"};
        static const char *const pairs[] = {"s8,s8,s32", "u8,s8,s32"};
        for (int t = 0; t < 2; ++t)
            tn_v_add(s, TN_V_QUICK, 6, B(TN_V_EXACT), "conv %s:%s:exact+stride=2x1", shapes[i],
                     pairs[t]);
    }
}

/* Rows of one element, of many, and many rows; along every axis. */
static void rows(tn_v_sink *s)
{
    static const char *const shapes[] = {
        "5x1:%s:axis=1",     "1x7:%s:axis=1",     "3x4097:%s:axis=1", "2x70000:%s:axis=1",
        "300x5:%s:axis=0",   "9x17x33:%s:axis=1", "1025x3:%s:axis=0", "70x31:%s:axis=1",
        "2x3x5x7:%s:axis=2", "5x2049:%s:axis=1"};
    uint32_t c = B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_SPECIAL);
    for (int t = 0; t < 3; ++t) {
        for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; ++i) {
            char op[64];
            snprintf(op, sizeof op, shapes[i], floats[t]);
            tn_v_add(s, TN_V_QUICK, 6, c, "softmax %s", op);
            tn_v_add(s, i % 3 == (unsigned)t ? TN_V_QUICK : TN_V_STANDARD, 6, c, "softmax %s+log",
                     op);
        }
        static const char *const widths[] = {"7x1",   "1x2",   "3x4097", "2x9000",
                                             "300x9", "70x31", "5x2049"};
        uint32_t n = B(TN_V_ZERO_MEAN) | B(TN_V_BIG) | B(TN_V_WIDE);
        for (unsigned i = 0; i < sizeof widths / sizeof widths[0]; ++i) {
            tn_v_add(s, TN_V_QUICK, 6, n, "norm layer %s:%s:eps=1e-3+gamma+beta", widths[i],
                     floats[t]);
            tn_v_add(s, TN_V_QUICK, 6, n, "norm rms %s:%s:eps=1e-5+gamma", widths[i], floats[t]);
        }
        static const char *const kinds[] = {"sum", "mean", "max", "min", "sumsq"};
        static const char *const dims[] = {"4097x3:%s:axes=0",      "3x70000:%s:axes=1",
                                           "513x70:%s:axes=0",      "70000:%s:axes=0",
                                           "7x1:%s:axes=1",         "2x3x4x5:%s:axes=1x3",
                                           "2x3x4x5:%s:axes=0x2x3", "33x34x35:%s:axes=1"};
        for (unsigned k = 0; k < 5; ++k)
            for (unsigned i = 0; i < sizeof dims / sizeof dims[0]; ++i) {
                char op[64];
                snprintf(op, sizeof op, dims[i], floats[t]);
                tn_v_add(s, (k + i) % 3 == (unsigned)t || i > 4 ? TN_V_QUICK : TN_V_STANDARD, 6,
                         B(TN_V_ZERO_MEAN) | B(TN_V_POSITIVE) | B(TN_V_SPECIAL), "reduce %s %s",
                         kinds[k], op);
            }
        for (unsigned k = 0; k < 5; ++k)
            tn_v_add(s, TN_V_QUICK, 6, B(TN_V_HUGE), "reduce %s 9x65:%s:axes=1", kinds[k],
                     floats[t]);
    }
}

static void large(tn_v_sink *s)
{
    static const char *const two[] = {"add", "sub", "mul", "div", "max", "min", "less"};
    for (unsigned k = 0; k < sizeof two / sizeof two[0]; ++k) {
        for (unsigned t = 0; t < 3; ++t) {
            tn_v_add(s, k % 3 == t ? TN_V_QUICK : TN_V_STANDARD, 4, B(TN_V_ZERO_MEAN),
                     "eltwise %s 70001:%s", two[k], floats[t]);
            tn_v_add(s, TN_V_QUICK, 4, B(TN_V_HUGE) | B(TN_V_SPECIAL), "eltwise %s 37x67:%s",
                     two[k], floats[t]);
        }
        if (k != 3)
            tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "eltwise %s 37x67:s32", two[k]);
    }
    static const char *const one[] = {"exp",  "tanh", "gelu",  "neg", "sqrt",
                                      "relu", "rint", "recip", "log", "sigmoid"};
    for (unsigned k = 0; k < sizeof one / sizeof one[0]; ++k) {
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_ZERO_MEAN), "eltwise %s 263x267:%s", one[k],
                 floats[k % 3]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_HUGE) | B(TN_V_WIDE), "eltwise %s 37x67:f32", one[k]);
    }
    static const char *const moved[] = {"f32", "f16", "u8", "s32", "s64"};
    for (unsigned t = 0; t < 5; ++t) {
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "copy 263x1031:%s", moved[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "copy 300x301:%s:a=300x301@1x300", moved[t]);
        tn_v_add(s, TN_V_STANDARD, 4, B(TN_V_SPECIAL), "copy 1100000:%s", moved[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "copy 3x4x5x6:%s:a=3x4x5x6@1x3x12x60",
                 moved[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "gather 700x130:%s:axis=0+index=600/s32",
                 moved[t]);
        tn_v_add(s, TN_V_QUICK, 4, B(TN_V_SPECIAL), "copy 3x5:%s:a=3x5@0x1", moved[t]);
    }
    tn_v_add(s, TN_V_FULL, 4, B(TN_V_SPECIAL), "copy 16777300:u8");
    tn_v_add(s, TN_V_FULL, 4, B(TN_V_ZERO_MEAN), "eltwise neg 4097x4097:f16");
}

/* The same launch many times: what goes wrong now and then does so here. */
static void again(tn_v_sink *s)
{
    static const char *const ops[] = {"matmul 9x17x33:%s:nn+bias",
                                      "matmul 70x40x50:%s:nt",
                                      "matmul 1x64x65:%s:nn",
                                      "matmul 8x5x6x7:%s:nn",
                                      "conv n1c3h9w8k4r3s3p1:%s",
                                      "conv n1c8h6w6k8r1s1:%s:nhwc",
                                      "attention b1h2q9k33d16:%s:causal",
                                      "softmax 7x65:%s:axis=1",
                                      "norm layer 5x64:%s:eps=1e-5+gamma+beta",
                                      "reduce sum 7x129:%s:axes=1",
                                      "eltwise add 33x65:%s",
                                      "eltwise gelu 33x65:%s",
                                      "copy 40x24:%s:a=40x24@1x40",
                                      "pool average 2x5x9x7:%s:window=3x3+lo=1x1+hi=1x1"};
    for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; ++i)
        for (unsigned t = 0; t < 3; ++t) {
            char op[128];
            snprintf(op, sizeof op, ops[i], floats[t]);
            tn_v_add(s, i % 3 == t || t == 0 ? TN_V_QUICK : TN_V_STANDARD, 6, B(TN_V_REPEAT), "%s",
                     op);
        }
}

void tn_v_list_edges(tn_v_sink *s)
{
    borders(s);
    epilogues(s);
    sums_of_bytes(s);
    rows(s);
    large(s);
    again(s);
}
