/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench --suite: lists of ops that are timed one after the other. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

/* The shapes that libraries are compared by: cubes, ragged, one row, the layers of a language
 * model; those of a ResNet with one image and eight; prefill and decode; rows. */
static const char *const peers[] = {
    "matmul 256x256x256:f32",
    "matmul 512x512x512:f32",
    "matmul 1024x1024x1024:f32",
    "matmul 2048x2048x2048:f32",
    "matmul 4096x4096x4096:f32",
    "matmul 1000x1000x1000:f32",
    "matmul 31x513x257:f32",
    "matmul 64x64x64x64:f32",
    "matmul 1x4096x4096:f32",
    "matmul 1x11008x4096:f32",
    "matmul 128x4096x4096:f32",
    "matmul 512x11008x4096:f32",
    "matmul 1x4096x4096:f32:nt",
    "matmul 128x4096x4096:f32:nt",
    "matmul 31x513x257:f32:nt",
    "matmul 512x512x512:bf16,bf16,f32",
    "matmul 1024x1024x1024:bf16,bf16,f32",
    "matmul 1x4096x4096:bf16,bf16,f32",
    "matmul 512x512x512:u8,s8,s32",
    "matmul 1024x1024x1024:u8,s8,s32",
    "matmul 1x4096x4096:u8,s8,s32",
    "conv n1c3h224w224k64r7s7p3u2:f32:nhwc",
    "conv n1c64h56w56k64r3s3p1:f32:nhwc",
    "conv n1c256h56w56k64r1s1:f32:nhwc",
    "conv n1c128h28w28k128r3s3p1:f32:nhwc",
    "conv n1c256h28w28k256r3s3p1u2:f32:nhwc",
    "conv n1c512h7w7k512r3s3p1:f32:nhwc",
    "conv n1c32h112w112k32r3s3g32p1:f32:nhwc",
    "conv n1c512h14w14k512r3s3g512p1:f32:nhwc",
    "conv n1c64h56w56k64r3s3p1:f32",
    "conv n1c128h28w28k128r3s3p1:f32",
    "conv n1c32h112w112k32r3s3g32p1:f32",
    "conv n1c512h14w14k512r3s3g512p1:f32",
    "conv n8c64h56w56k64r3s3p1:f32:nhwc",
    "conv n8c256h56w56k64r1s1:f32:nhwc",
    "conv n8c128h28w28k128r3s3p1:f32:nhwc",
    "conv n8c32h112w112k32r3s3g32p1:f32:nhwc",
    "attention b1h12q128k128d64:f32",
    "attention b1h12q1024k1024d64:f32",
    "attention b1h12q1024k1024d64:f32:causal",
    "attention b1h12q1024k1024d64:bf16",
    "attention b1h32q2048k2048d128:f32",
    "attention b1h32g8q2048k2048d128:f32:causal",
    "attention b1h32q1k2048d128:f32",
    "attention b1h32g8q1k2048d128:f32",
    "softmax 4096x4096:f32:axis=-1",
    "softmax 12288x128:f32:axis=-1",
    "norm layer 4096x4096:f32:gamma+beta",
    "norm rms 4096x4096:f32:gamma",
    "eltwise relu 4096x4096:f32",
    "eltwise gelu 4096x4096:f32",
    "eltwise exp 1024x1024:f32",
};

/* One of each kind that the library has, small enough for a look at all of them. */
static const char *const ops[] = {
    "matmul 256x256x256:f32",
    "conv n1c64h28w28k64r3s3p1:f32:nhwc",
    "attention b1h12q128k128d64:f32",
    "softmax 1024x1024:f32:axis=-1",
    "norm layer 1024x1024:f32:gamma+beta",
    "norm rms 1024x1024:f32:gamma",
    "norm group 8x64x28x28:f32:axes=3+groups=8+gamma+beta",
    "eltwise add 1024x1024:f32",
    "eltwise gelu 1024x1024:f32",
    "eltwise where 1024x1024:f32",
    "reduce sum 1024x1024:f32:axes=1",
    "reduce max 1024x1024:f32:axes=0",
    "rope 12x1024x64:f32",
    "gather 4096x512:f32:axis=0+index=1024",
    "copy 1024x1024:f32,bf16",
    "copy 1024x1024:f32:a=1024x1024@1x1024",
    "concat 512x1024:f32:axis=0+input1=512x1024",
    "pad 1024x1000:f32:lo=0x12+hi=0x12",
    "pool max 1x64x112x112:f32:window=3x3+stride=2x2+lo=1x1+hi=1x1",
    "resize linear 1x32x64x64:f32:scale=1x1x2x2",
    "topk 1024x1024:f32:axis=1+k=8",
    "scan 1024x1024:f32:axis=1",
    "quantize 1024x1024:f32,s8:axis=0+scale_of_out",
    "dequantize 1024x1024:s8,f32:axis=0+scale_of_a",
};

static bool has_word(const char *text, const char *const *word, uint32_t words)
{
    for (uint32_t i = 0; i < words; ++i)
        if (strstr(text, word[i]) != NULL)
            return true;
    return words == 0;
}

int tool_bench_suite(const tool_setup *with, const char *suite, const char *const *word,
                     uint32_t words)
{
    static const struct {
        const char *name;
        const char *const *text;
        size_t count;
    } suites[] = {
        {"peers", peers, sizeof peers / sizeof peers[0]},
        {"ops", ops, sizeof ops / sizeof ops[0]},
    };
    for (size_t s = 0; s < sizeof suites / sizeof suites[0]; ++s) {
        if (strcmp(suites[s].name, suite) != 0)
            continue;
        int rc = 0;
        uint32_t ran = 0, failed = 0, absent = 0;
        for (size_t i = 0; i < suites[s].count; ++i) {
            if (!has_word(suites[s].text[i], word, words))
                continue;
            tn_op *op = NULL;
            tn_status st = tn_op_parse(with->runtime, suites[s].text[i], &op);
            tn_op_free(with->runtime, op);
            if (st == TN_STATUS_UNSUPPORTED) { /* a kind that this library was built without */
                ++absent;
                continue;
            }
            int one = tool_bench_op(with, suites[s].text[i]);
            ++ran;
            failed += one != 0;
            rc = one > rc ? one : rc;
            fflush(stdout);
        }
        printf("suite %s: %u of %zu ops, %u not timed, %u not built\n", suite, ran, suites[s].count,
               failed, absent);
        return rc;
    }
    fprintf(stderr, "tenon bench: no suite '%s'; there are peers and ops\n", suite);
    return 2;
}
