/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of ops: known texts, refusals with their position, round trips of random ops. */
#include <tenon/tenon.h>

#include "support/test.h"

static tn_runtime *runtime(void)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    return rt;
}

static void same_op(const char *text, const tn_op *a, const tn_op *b)
{
    TN_EXPECT(a->kind == b->kind && a->arg_count == b->arg_count && a->post_count == b->post_count,
              "%s", text);
    TN_EXPECT(memcmp(&a->numerics, &b->numerics, sizeof a->numerics) == 0, "%s", text);
    for (uint32_t i = 0; i < a->arg_count && i < b->arg_count; ++i) {
        const tn_arg *x = &a->args[i], *y = NULL;
        for (uint32_t j = 0; j < b->arg_count; ++j)
            if (b->args[j].role == x->role)
                y = &b->args[j];
        TN_EXPECT(y != NULL && x->flags == y->flags && x->tensor.dtype == y->tensor.dtype &&
                      x->tensor.rank == y->tensor.rank && x->tensor.layout == y->tensor.layout &&
                      memcmp(x->tensor.dim, y->tensor.dim, x->tensor.rank * 8u) == 0 &&
                      memcmp(x->tensor.stride, y->tensor.stride, x->tensor.rank * 8u) == 0,
                  "%s: operand %u", text, x->role);
    }
    for (uint32_t i = 0; i < a->post_count && i < b->post_count; ++i)
        TN_EXPECT(memcmp(&a->posts[i], &b->posts[i], sizeof a->posts[i]) == 0, "%s: post", text);
}

/* Text to op to text to op; the second text is the normal form. */
static void round_trip(tn_runtime *rt, const char *text, const char *normal)
{
    tn_op *op = NULL, *again = NULL;
    char out[512];
    size_t bytes = sizeof out;
    tn_error e;
    tn_status st = tn_op_parse(rt, text, &op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s %s", text, e.reason, e.text);
    st = tn_op_format(op, out, &bytes);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", text, e.text);
    TN_EXPECT(bytes == strlen(out) + 1, "%s", text);
    TN_EXPECT(strcmp(out, normal) == 0, "want \"%s\", got \"%s\"", normal, out);
    st = tn_op_parse(rt, out, &again);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", out, e.text);
    same_op(out, op, again);
    tn_op_free(rt, again);
    tn_op_free(rt, op);
}

TN_TEST(optext, known_texts)
{
    static const char *const texts[] = {
        "matmul 33x65x127:bf16,bf16,f32:nt+bias+gelu+canonical",
        "matmul 2x12x33x65x127:f32",
        "matmul 4x3x5x7:f32:tt+alpha=0.5+beta=2+clamp=-1/6.5+add+fast+tf32+acc=f32+v=1+"
        "post1=5+c",
        "matmul 2x3x5x7:f32:b=7x5",
        "matmul 8x8x8:u8,s8,s32:exact+packed+layout=1234567890",
        "matmul 8x9x4:u8,s8,s8:bias+relu+scale_of_a=8+scale_of_b=9+scale_of_out+zero_of_a+"
        "zero_of_b=9+zero_of_out",
        "matmul 8x9x4:u8,u8,f32:bias+post0=9/s32",
        "matmul 1x64x96:f32,q4_0,f32:nt+canonical",
        "matmul 2x1x64x96:f32,mxfp4,f32:nt+bias+silu+b=64x96@128x1",
        "quantize 4x64:f32,q8_0",
        "dequantize 4x64:mxfp4,bf16:canonical+a=4x64@96x1",
        "conv n1c64h56w56k64r3s3p1:f32",
        "conv n2c6w50k8s5g2u2l3:bf16,f32,f16:nhwc+canonical",
        "conv n1c4d5h6w7k8t1r2s3:u8,s8,s32",
        "conv n1c8h6w7k4r3s3u2:f32:transposed+lo=1x0x0+hi=0x1x0+out_pad=1x0x0+bias+relu",
        "conv n1c3h9w8k4r2s3:f32:nhwc+stride=2x1x0+dilation=1x2x0+bias+add+packed",
        "attention b1h12q1024k1024d64:f32:causal",
        "attention h12g4q10k20d64e32:f32:window=128x-1+scale=0.125+mask=20/f32+stats",
        "attention b2h4q8k8d16:f32:canonical+v=1+mask",
        "attention b2h4g2q1k96d16:f32,s8,s8,f32:causal_end+page=16+lengths+pages+scale_of_k=2x1+"
        "scale_of_v",
        "attention b2h4q1k96d16:f32:page=16+k=40x4x16x16+v=40x4x16x16+pages=2x6@9x1",
        "softmax 4096x4096:f32:axis=1",
        "softmax 3x4:bf16,f32:axis=-1+log",
        "norm layer 128x384:f32:eps=9.99999996e-13+gamma+beta",
        "norm rms 2x3x4:f32:axes=2+eps=0",
        "eltwise add 1024x1024:f32",
        "eltwise less_equal 3x4:f32:b=4",
        "eltwise where 3x4:f32",
        "eltwise clamp 3x4:f32:pa=-1+pb=1+alias",
        "eltwise fma 3x1:f64:const=b",
        "reduce mean 2x3x4:f32:axes=0x2",
        "reduce sum 2x3x4:f32:axes=1+out=2x4",
        "gather 30522x384:f32:axis=0+index=128/s64",
        "gather 5x6:bf16:axis=1",
        "copy 3x5:bf16,f32:a=3x5@1x3",
        "copy -:f32",
        "copy 0x7:s4",
        "norm group 2x8x4x4:f32:groups=4+eps=0.5+gamma+beta",
        "norm group 2x8x4x4:f32:axes=2+groups=2+eps=0+gamma",
        "rope 1x12x10x64:f32",
        "rope 2x3x8:f32:interleaved+rotary=4+canonical+index=2x1",
        "rope 8:bf16:alias",
        "quantize 4x6:f32,s8:axis=1+group=3+scale_of_out+zero_of_out",
        "quantize 4x6:s32,u8:scale_of_a=-",
        "dequantize 4x6:s8,f32",
        "dequantize 4x6:u8,bf16:axis=-1+group=2+canonical+scale_of_a=4x3@1x4+zero_of_a",
        "concat 2x3:f32:axis=1",
        "concat 2x3:bf16:axis=-1+exact+input1+input2=2x0+input3=2x5@6x1",
        "concat 2x3:u8:axis=0+input1=5x3",
        "pad 2x3:f32:lo=1x-1+hi=0x2+value=-1.5",
        "pad 2x3:s8:hi=1x2+reflect",
        "pool max 1x3x8x9:f32:window=3x2+stride=2x2+dilation=1x2+lo=1x0+hi=0x1+ceil+canonical",
        "pool average 2x8x9x4:bf16:window=3x3+nhwc+count_padding",
        "pool average 2x8x9x4:bf16",
        "pool max 1x4x50:u8:window=5+stride=2+lo=2+exact+a=1x4x50@200x1x4",
        "pool average 1x2x4x5x6:f32:window=2x2x2+stride=2x2x2",
        "resize linear 1x3x8x9:f32:scale=1x1x2x0.5+canonical",
        "resize cubic 1x3x8x9:f16:align_corners+value=-0.5+out=1x3x12x9",
        "resize nearest 8x9:u8:scale=2x0+asymmetric+floor+exact",
        "resize nearest 8x9:s64:pytorch_half_pixel+prefer_ceil+out=3x9",
        "norm batch 2x8x4x4:f32:eps=0.5+gamma+beta+stats",
        "norm batch 2x4x4x8:f32:axes=1+eps=0+canonical+stats",
        "topk 2x30:f32:axis=1+k=4+smallest+index",
        "topk 2x30:f32,s64:axis=-1+k=1+indices",
        "topk 2x30:bf16:axis=0+k=2+index=2x30/s64",
        "scan 5x6:s32,s64:axis=0+exclusive+reverse",
        "eltwise gelu 3x5:f32:backward",
        "eltwise clamp 3x5:bf16,f32:backward+pa=-1+pb=1+canonical+grad=3x5@1x3",
        "softmax 4x9:f32:backward+axis=1+log",
        "norm group 2x8x4x4:f32:backward+groups=4+eps=0.5+gamma",
        "conv n1c64h8w9k32r3s3p1u2:bf16,bf16,f32:backward_weights+nhwc",
        "conv n2c6w50k8s5g2l3:f32:backward_weights+canonical",
        "attention b2h4g2q8k9d16e12:f32:backward+causal+mask",
        "attention h4q8k9d16:bf16,f16,bf16,f32:backward+grad=4x8x16/bf16+out_grad_b=4x9x16/f32",
        "gather 300x5:f32:backward+axis=0+index=20x3/s64",
        "gather 5x6:bf16:backward+axis=-1",
    };
    tn_runtime *rt = runtime();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i)
        round_trip(rt, texts[i], texts[i]);
    round_trip(rt, "matmul 2x3x4:u8s8s32:exact", "matmul 2x3x4:u8,s8,s32:exact");
    round_trip(rt, "matmul 2x3x4:f16acc+fast", "matmul 2x3x4:f32:fast+f16acc");
    round_trip(rt, "matmul 2x3x4", "matmul 2x3x4:f32");
    round_trip(rt, "matmul 2x3x4:canonical+nn+relu", "matmul 2x3x4:f32:relu+canonical");
    tn_runtime_release(rt);
}

TN_TEST(optext, refusals_name_the_position)
{
    static const struct {
        const char *text, *reason, *at;
    } rows[] = {
        {"matmull 2x3x4", "optext.op", "character 1 "},
        {"", "optext.op", "character 1 "},
        {"matmul", "optext.space", "character 7 "},
        {"matmul 2x3", "optext.rank", "character 11 "},
        {"matmul 2xx4", "optext.number", "character 10 "},
        {"matmul 2x3x99999999999999999999", "optext.number", "character 12 "},
        {"matmul 2x3x4:f31", "optext.key", "character 14 "},
        {"matmul 2x3x4:f32,f32", "optext.dtypes", "character 21 "},
        {"matmul 2x3x4:f32:", "optext.key", "character 18 "},
        {"matmul 2x3x4:f32:nt+wrong", "optext.key", "character 21 "},
        {"matmul 2x3x4:f32:alpha", "optext.value", "character 23 "},
        {"matmul 2x3x4:f32:alpha=x", "optext.float", "character 24 "},
        {"matmul 2x3x4:f32:nt ", "optext.end", "character 20 "},
        {"attention h1q2k3", "optext.letter", "character 17 "},
        {"eltwise plus 3", "optext.word", "character 9 "},
        {"copy 2x3:f32:a=2x3@1", "optext.strides", "character 21 "},
        {"copy 1x1x1x1x1x1x1x1x1", "optext.rank", "character 22 "},
    };
    tn_runtime *rt = runtime();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        tn_op *op = NULL;
        tn_error e;
        tn_status st = tn_op_parse(rt, rows[i].text, &op);
        tn_error_last(&e);
        TN_EXPECT(st == TN_STATUS_INVALID && strcmp(e.reason, rows[i].reason) == 0,
                  "\"%s\": want %s, got %s", rows[i].text, rows[i].reason, e.reason);
        TN_EXPECT(e.text != NULL && strstr(e.text, rows[i].at) != NULL, "\"%s\": %s", rows[i].text,
                  e.text);
        tn_op_free(rt, op);
    }
    tn_runtime_release(rt);
}

TN_TEST(optext, size_query)
{
    tn_runtime *rt = runtime();
    tn_op *op = NULL;
    char text[8];
    size_t bytes = 0;
    TN_REQUIRE(tn_op_parse(rt, "matmul 2x3x4:f32", &op) == TN_OK);
    TN_EXPECT(tn_op_format(op, NULL, &bytes) == TN_OK && bytes == 17);
    bytes = sizeof text;
    TN_EXPECT(tn_op_format(op, text, &bytes) == TN_STATUS_INVALID && bytes == 17);
    TN_EXPECT(strcmp(text, "matmul ") == 0, "%s", text);
    tn_op_free(rt, op);
    tn_runtime_release(rt);
}

static uint64_t below(uint64_t *seed, uint64_t n)
{
    return tn_test_random(seed) % n;
}

/* A random text from the grammar; it may be refused by validation, never mangled. */
TN_TEST(optext, random_round_trips)
{
    static const char *const dtypes[] = {"f32", "bf16", "f64", "f16"};
    static const char *const keys[] = {"nt",     "tn",       "tt",    "canonical", "fast", "bias",
                                       "relu",   "gelu",     "silu",  "add",       "mul",  "c",
                                       "packed", "saturate", "alias", "acc=f64",   "v=1",  "exact"};
    tn_runtime *rt = runtime();
    uint64_t seed = tn_test_seed();
    int read = 0;
    for (int i = 0; i < 2000; ++i) {
        char text[256], out[512];
        size_t at = (size_t)snprintf(text, sizeof text, "matmul ");
        for (uint64_t d = below(&seed, 3); d > 0; --d)
            at += (size_t)snprintf(text + at, sizeof text - at, "%dx", (int)below(&seed, 4));
        at += (size_t)snprintf(text + at, sizeof text - at, "%dx%dx%d:%s", (int)below(&seed, 100),
                               (int)below(&seed, 100), (int)below(&seed, 100),
                               dtypes[below(&seed, 4)]);
        const char *between = ":";
        for (uint64_t k = below(&seed, 5); k > 0; --k, between = "+") {
            if (below(&seed, 4) == 0) {
                uint32_t bits = (uint32_t)tn_test_random(&seed);
                float f;
                memcpy(&f, &bits, sizeof f);
                char number[40];
                (void)snprintf(number, sizeof number, "%.9g", (double)f);
                char *plus = strchr(number, '+');
                if (plus != NULL)
                    memmove(plus, plus + 1, strlen(plus));
                if (f == f)
                    at += (size_t)snprintf(text + at, sizeof text - at, "%salpha=%s", between,
                                           number);
                else
                    break;
            } else {
                at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", between,
                                       keys[below(&seed, sizeof keys / sizeof keys[0])]);
            }
        }
        tn_op *op = NULL, *again = NULL;
        size_t bytes = sizeof out;
        tn_status st = tn_op_parse(rt, text, &op);
        if (st != TN_OK) {
            tn_error e;
            tn_error_last(&e);
            TN_EXPECT(strncmp(e.reason, "optext", 6) != 0, "%s: %s", text, e.text);
            continue;
        }
        ++read;
        TN_REQUIRE(tn_op_format(op, out, &bytes) == TN_OK, "%s", text);
        TN_REQUIRE(tn_op_parse(rt, out, &again) == TN_OK, "%s -> %s", text, out);
        same_op(out, op, again);
        TN_EXPECT(memcmp(op->attr, again->attr, sizeof(tn_matmul)) == 0, "%s -> %s", text, out);
        tn_op_free(rt, again);
        tn_op_free(rt, op);
    }
    TN_EXPECT(read > 1000, "%d", read);
    /* damaged texts: refused or read, never a crash */
    for (int i = 0; i < 20000; ++i) {
        char text[] = "attention b2h4g2q8k8d16e4:f32:canonical+v=1+mask=8x8/f32@8x1+scale=0.25";
        for (uint64_t n = 1 + below(&seed, 4); n > 0; --n)
            text[below(&seed, sizeof text - 1)] = (char)(32 + below(&seed, 95));
        tn_op *op = NULL;
        if (tn_op_parse(rt, text, &op) == TN_OK)
            tn_op_free(rt, op);
    }
    tn_runtime_release(rt);
}
