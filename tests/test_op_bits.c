/* SPDX-License-Identifier: Apache-2.0 */
/* Ops by their text form on many devices: the bits are those of the plain kernels, whatever the
 * tier, the threads and the memory. */
#include "support/run_op.h"
#include "support/test.h"
#include <hal/op.h>

enum { OPERANDS = 12 };

static const char *const texts[] = {
    "eltwise where 40x50x30:u8:exact+a=50x1/bool",
    "eltwise where 40x50x30:s64:exact+b=1x30",
    "eltwise where 40x50x30:bf16:exact",
    "concat 30x20x40:f32:axis=1+exact+input1+input2=30x7x40+input3=30x0x40",
    "concat 30x20x40:s8:axis=-1+exact+input1=30x20x33@1x30x600",
    "concat 3000:f64:axis=0+exact+input1=500",
    "pad 60x70x30:f32:exact+lo=2x-5x7+hi=-1x3x0+value=-1.5",
    "pad 60x70x30:bf16:exact+lo=2x-5x7+edge",
    "pad 60x70x30:s64:exact+lo=2x-5x7+hi=1x3x20+reflect",
    "copy 300x400:f32,f8e4m3:canonical",
    "copy 300x400:f8e5m2,f32:canonical+a=300x400@1x300",
    "copy 300x400:s32,tf32:canonical",
    "quantize 60x90x32:f32,s8:axis=2+group=8+canonical+scale_of_out+zero_of_out",
    "quantize 60x90x32:s32,u8:axis=1+canonical+scale_of_a",
    "quantize 60x90x32:f32,f8e4m3:saturate+canonical+scale_of_out=-",
    "dequantize 60x90x32:s8,f32:axis=-1+canonical+zero_of_a",
    "dequantize 60x90x32:f8e5m2,bf16:group=4+canonical+a=60x90x32@1x60x5400",
    "topk 60x900:f32:axis=1+k=7+exact+index",
    "topk 900x60:s8:axis=0+k=90+smallest+exact+index=90x60/s64",
    "topk 300x300:bf16,s32:axis=-1+k=1+indices+exact",
    "scan 50x5000:f32:axis=1+canonical",
    "scan 5000x70:f32:axis=0+exclusive+reverse+canonical",
    "scan 50x500:s32,s64:axis=1+exact",
    "norm group 4x24x9x11:f32:groups=6+eps=1e-05+canonical+gamma+beta",
    "norm group 40x24:f32:groups=3+eps=1e-05+canonical+a=40x24@1x40+gamma",
    "norm rms 200x384:f32:eps=1e-05+canonical+gamma",
    "norm batch 4x24x9x11:f32:eps=1e-05+canonical+gamma+beta+stats",
    "norm batch 40x9x24:f32:axes=1+eps=1e-05+canonical+a=40x9x24@216x1x9+gamma+stats",
    "pool average 2x24x30x31:f32:window=3x3+stride=2x2+lo=1x0+hi=0x1+ceil+canonical",
    "pool average 2x30x31x24:bf16:window=5x4+lo=2x2+hi=2x2+nhwc+count_padding+canonical",
    "pool average 2x70x40x50:f32:canonical",
    "pool average 1x9x20x21x22:f16:window=3x3x3+stride=2x1x2+canonical",
    "pool max 2x24x30x31:f32:window=3x3+stride=2x2+lo=1x1+hi=1x1+canonical",
    "pool max 2x24x30x31:f32:window=3x2+dilation=2x3+a=2x24x30x31@22320x1x744x24+canonical",
    "pool max 2x30x31x40:u8:window=2x2+stride=2x2+nhwc+exact",
    "pool max 3x7x900:s8:window=5+stride=3+lo=4+exact",
    "resize linear 2x9x20x30:f32:canonical+out=2x9x41x33",
    "resize linear 2x20x30x9:bf16:scale=1x1.5x0.7x1+align_corners+canonical",
    "resize cubic 2x9x20x30:f32:asymmetric+canonical+out=2x9x20x64",
    "resize cubic 5x6x7x8:f32:canonical+out=7x8x9x10",
    "resize nearest 2x9x20x30:u8:scale=1x1x3x3+exact",
    "resize nearest 2x20x30x9:f32:floor+exact+out=2x31x44x9",
    "rope 2x8x90x64:f32:canonical",
    "rope 2x90x8x64:f32:interleaved+rotary=32+canonical+index=90x1",
    "rope 2x90x8x64:bf16:canonical+index=2x1x1",
    "eltwise gelu 70x3000:f32:backward+canonical",
    "eltwise silu 70x300:f32:backward+canonical+grad=70x300@1x70",
    "eltwise tanh 7x300x5:f32:backward+canonical",
    "softmax 90x900:f32:backward+axis=1+canonical",
    "softmax 90x900:f32:backward+axis=0+log+canonical",
    "norm layer 90x900:f32:backward+eps=1e-05+canonical+gamma",
    "norm group 4x24x9x11:f32:backward+groups=6+eps=1e-05+canonical+gamma",
    "norm rms 200x384:f32:backward+eps=1e-05+canonical",
    "gather 300x200:f32:backward+axis=0+index=700+canonical",
    "gather 5x30x200:bf16,f32:backward+axis=1+index=7x9+canonical",
    "conv n3c24h19w17k40r3s3p1:f32:backward_weights+canonical",
    "conv n2c6h30w9k15r3s2g3u2l2p1:bf16,f32,f32:backward_weights+nhwc+canonical",
    "conv n1c64w500k80s5:f32:backward_weights+canonical",
    "attention b2h4g2q70k150d24e40:f32:backward+canonical+causal_end",
    "attention h3q300k130d64:f32:backward+canonical+causal+slopes",
    "attention h2q40k90d16:bf16:backward+canonical+window=30x10+softcap=3",
};

typedef struct problem {
    tn_op *op;
    void *host[OPERANDS];
    uint64_t bytes[OPERANDS];
} problem;

/* Finite floats, or any bits where they are only moved; flags and positions in their range. */
static void fill(const tn_op *op, const tn_arg *a, void *host, uint64_t bytes, uint64_t *state)
{
    bool exact = op->numerics.cls == TN_CLASS_EXACT && op->kind != TN_OP_TOPK;
    for (uint64_t i = 0; i < bytes; ++i)
        ((uint8_t *)host)[i] = (uint8_t)(a->tensor.dtype == TN_BOOL ? tn_test_random(state) & 1u
                                                                    : tn_test_random(state));
    if (a->tensor.dtype == TN_F32 && !exact)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((float *)host)[i] = (float)((int64_t)(tn_test_random(state) >> 48) - 32768) * 0x1p-12f;
    for (uint64_t i = 0; a->role == TN_ARG_STATS && i < bytes / 4; ++i)
        ((float *)host)[i] = i % 2 == 0 ? 120.0f : 4096.0f; /* above every score here */
    if (a->role == TN_ARG_FREQ)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((float *)host)[i] = 1.0f / (1.0f + (float)i);
    if (a->role == TN_ARG_INDEX)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((uint32_t *)host)[i] = (uint32_t)tn_test_random(state) % 4096u;
    for (uint64_t i = 0; a->tensor.dtype == TN_F8E5M2 && i < bytes; ++i)
        ((uint8_t *)host)[i] &= 0xbfu;
    if (a->tensor.dtype == TN_BF16 && !exact) /* no NaN, which has many bits */
        for (uint64_t i = 0; i < bytes / 2; ++i)
            ((uint16_t *)host)[i] &= 0xbfffu;
}

static void make(tn_test_device *d, const char *text, problem *p, uint64_t seed)
{
    uint64_t state = seed;
    tn_error e;
    memset(p, 0, sizeof *p);
    tn_status st = tn_op_parse(d->runtime, text, &p->op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK && p->op->arg_count <= OPERANDS, "%s: %s", text, e.text);
    for (uint32_t i = 0; i < p->op->arg_count; ++i) {
        const tn_arg *a = &p->op->args[i];
        TN_REQUIRE(tn__tensor_extent(&a->tensor, &p->bytes[i]), "%s", text);
        p->host[i] = malloc(p->bytes[i] + 8);
        TN_REQUIRE(p->host[i] != NULL, "memory");
        fill(p->op, a, p->host[i], p->bytes[i], &state);
    }
}

static void drop(tn_test_device *d, problem *p)
{
    for (uint32_t i = 0; i < p->op->arg_count; ++i)
        free(p->host[i]);
    tn_op_free(d->runtime, p->op);
}

/* Computes on `d` and compares what is there with `want`, or keeps it there. */
static void compute(tn_test_device *d, const char *uri, const char *text, problem *p,
                    void *const *want)
{
    tn_error e = {0};
    for (uint32_t i = 0; i < p->op->arg_count; ++i)
        if (tn__role_is_output(p->op, p->op->args[i].role))
            memset(p->host[i], 0x7e, p->bytes[i]);
    bool ok = tn_test_compute(d, p->op, p->host, p->bytes);
    if (!ok)
        tn_error_last(&e);
    TN_EXPECT(ok, "%s on %s: %s", text, uri, e.text ? e.text : "");
    for (uint32_t i = 0; ok && want != NULL && i < p->op->arg_count; ++i)
        TN_EXPECT(memcmp(want[i], p->host[i], p->bytes[i]) == 0, "%s on %s: role %u differs", text,
                  uri, p->op->args[i].role);
}

TN_TEST(op_bits, tiers_threads_and_private)
{
    static const char *const uris[] = {"cpu?threads=1", "cpu?threads=2", "cpu?max=baseline",
                                       TN_TEST_TIERS,   "cpu",           "cpu?private=1"};
    uint64_t seed = tn_test_seed();
    tn_test_device plain;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (size_t u = 0; u < sizeof uris / sizeof uris[0]; ++u) {
        tn_test_device d;
        TN_REQUIRE(tn_test_open(uris[u], &d), "%s", uris[u]);
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; ++t) {
            problem p, q;
            make(&plain, texts[t], &p, seed + t);
            make(&d, texts[t], &q, seed + t);
            compute(&plain, "the plain device", texts[t], &p, NULL);
            compute(&d, uris[u], texts[t], &q, p.host);
            drop(&d, &q);
            drop(&plain, &p);
        }
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}
