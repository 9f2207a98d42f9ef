/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks: a perceptron, a residual block of convolutions, an encoder block, and a decoder
 * that writes its own keys and values into a cache, token by token. In CANONICAL the result has the
 * bits of the cpu device. */
#include <conformance/networks/net.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINDS(...)                                                                                 \
    (const tn_v_net_bind[]){__VA_ARGS__},                                                          \
        (int)(sizeof((tn_v_net_bind[]){__VA_ARGS__}) / sizeof(tn_v_net_bind))
#define A(value)                                                                                   \
    {                                                                                              \
        TN_ARG_A, value, 0                                                                         \
    }
#define B(value)                                                                                   \
    {                                                                                              \
        TN_ARG_B, value, 0                                                                         \
    }
#define POST1(value)                                                                               \
    {                                                                                              \
        TN_ARG_POST0 + 1, value, 0                                                                 \
    }

static bool perceptron(tn_v_net *n)
{
    int x = tn_v_net_memory(n, 16 * 32, 1);
    x = tn_v_net_layer_of(n, "matmul 16x64x32:%s:nt+bias+gelu", BINDS(A(x)));
    x = tn_v_net_layer_of(n, "matmul 16x48x64:%s:nt+bias+silu", BINDS(A(x)));
    x = tn_v_net_layer_of(n, "matmul 16x64x48:%s:nt+bias+relu", BINDS(A(x)));
    x = tn_v_net_layer_of(n, "matmul 16x10x64:%s:nt+bias", BINDS(A(x)));
    return tn_v_net_layer_of(n, "softmax 16x10:%s:axis=1", BINDS(A(x))) >= 0;
}

static bool residual(tn_v_net *n)
{
    int x = tn_v_net_memory(n, 2 * 8 * 12 * 12, 1);
    for (int block = 0; block < 2; ++block) {
        int y = tn_v_net_layer_of(n, "conv n2c8h12w12k8r3s3p1:%s:bias+relu", BINDS(A(x)));
        y = tn_v_net_layer_of(n, "conv n2c8h12w12k8r3s3p1:%s:bias", BINDS(A(y)));
        y = tn_v_net_layer_of(n, "eltwise add 2x8x12x12:%s", BINDS(A(y), B(x)));
        x = tn_v_net_layer_of(n, "eltwise relu 2x8x12x12:%s", BINDS(A(y)));
    }
    x = tn_v_net_layer_of(n, "pool max 2x8x12x12:%s:window=2x2+stride=2x2", BINDS(A(x)));
    x = tn_v_net_layer_of(n, "conv n2c8h6w6k16r1s1:%s:bias+relu", BINDS(A(x)));
    x = tn_v_net_layer_of(n, "pool average 2x16x6x6:%s:window=6x6", BINDS(A(x)));
    return tn_v_net_layer_of(n, "matmul 2x10x16:%s:nt+bias", BINDS(A(x))) >= 0;
}

/* 16 tokens of 32: heads are strides. */
static int encoder_block(tn_v_net *n, int x)
{
    int a = tn_v_net_layer_of(n, "norm layer 16x32:%s:eps=1e-5+gamma+beta", BINDS(A(x)));
    int q = tn_v_net_layer_of(n, "matmul 16x32x32:%s:nt+bias", BINDS(A(a)));
    int k = tn_v_net_layer_of(n, "matmul 16x32x32:%s:nt+bias", BINDS(A(a)));
    int v = tn_v_net_layer_of(n, "matmul 16x32x32:%s:nt+bias", BINDS(A(a)));
    int o = tn_v_net_layer_of(n,
                              "attention b1h4q16k16d8:%s:q=1x4x16x8@512x8x32x1+k=1x4x16x8@512x8x"
                              "32x1+v=1x4x16x8@512x8x32x1+out=1x4x16x8@512x8x32x1",
                              BINDS({TN_ARG_Q, q, 0}, {TN_ARG_K, k, 0}, {TN_ARG_V, v, 0}));
    x = tn_v_net_layer_of(n, "matmul 16x32x32:%s:nt+bias+add", BINDS(A(o), POST1(x)));
    int m = tn_v_net_layer_of(n, "norm layer 16x32:%s:eps=1e-5+gamma+beta", BINDS(A(x)));
    m = tn_v_net_layer_of(n, "matmul 16x128x32:%s:nt+bias+gelu", BINDS(A(m)));
    return tn_v_net_layer_of(n, "matmul 16x32x128:%s:nt+bias+add", BINDS(A(m), POST1(x)));
}

static bool encoder(tn_v_net *n)
{
    int x = encoder_block(n, tn_v_net_memory(n, 16 * 32, 1));
    return encoder_block(n, x) >= 0;
}

/* The weights are those of the first token. */
typedef struct weights {
    int gamma, q, k, v, o, gamma2, gate, up, down;
} weights;

enum {
    TOKENS = 6,
    TOKEN = 128,
    WIDTH = 32
}; /* TOKEN: elements from one of the cache to the next */

static int decode(tn_v_net *n, const weights *w, int x, int keys, int values, int t)
{
    char text[160];
    int a = tn_v_net_layer_of(n, "norm rms 1x32:%s:eps=1e-5+gamma",
                              BINDS(A(x), {TN_ARG_GAMMA, w->gamma, 0}));
    int q = tn_v_net_layer_of(n, "matmul 1x32x32:%s:nt", BINDS(A(a), B(w->q)));
    int k = tn_v_net_layer_of(n, "matmul 1x32x32:%s:nt", BINDS(A(a), B(w->k)));
    int v = tn_v_net_layer_of(n, "matmul 1x32x32:%s:nt", BINDS(A(a), B(w->v)));
    (void)tn_v_net_layer_of(n, "copy 4x8:%s", BINDS(A(k), {TN_ARG_OUT, keys, t * TOKEN}));
    (void)tn_v_net_layer_of(n, "copy 4x8:%s", BINDS(A(v), {TN_ARG_OUT, values, t * TOKEN}));
    snprintf(
        text, sizeof text,
        "attention b1h4q1k%dd8:%%s:q=1x4x1x8@32x8x8x1+k=1x4x%dx8@%dx8x%dx1+v=1x4x%dx8@%dx8x%dx1",
        t + 1, t + 1, (t + 1) * TOKEN, TOKEN, t + 1, (t + 1) * TOKEN, TOKEN);
    int o = tn_v_net_layer_of(n, text,
                              BINDS({TN_ARG_Q, q, 0}, {TN_ARG_K, keys, 0}, {TN_ARG_V, values, 0}));
    x = tn_v_net_layer_of(n, "matmul 1x32x32:%s:nt+add",
                          BINDS(A(o), B(w->o), {TN_ARG_POST0, x, 0}));
    int m = tn_v_net_layer_of(n, "norm rms 1x32:%s:eps=1e-5+gamma",
                              BINDS(A(x), {TN_ARG_GAMMA, w->gamma2, 0}));
    int gate = tn_v_net_layer_of(n, "matmul 1x64x32:%s:nt+silu", BINDS(A(m), B(w->gate)));
    int up = tn_v_net_layer_of(n, "matmul 1x64x32:%s:nt", BINDS(A(m), B(w->up)));
    m = tn_v_net_layer_of(n, "eltwise mul 1x64:%s", BINDS(A(gate), B(up)));
    return tn_v_net_layer_of(n, "matmul 1x32x64:%s:nt+add",
                             BINDS(A(m), B(w->down), {TN_ARG_POST0, x, 0}));
}

static bool decoder(tn_v_net *n)
{
    double s = sqrt(3.0 / WIDTH);
    int x = tn_v_net_memory(n, WIDTH, 1), keys = tn_v_net_memory(n, TOKENS * TOKEN, 0),
        values = tn_v_net_memory(n, TOKENS * TOKEN, 0);
    weights w = {.gamma = tn_v_net_memory(n, WIDTH, 1),
                 .q = tn_v_net_memory(n, WIDTH * WIDTH, s),
                 .k = tn_v_net_memory(n, WIDTH * WIDTH, s),
                 .v = tn_v_net_memory(n, WIDTH * WIDTH, s),
                 .o = tn_v_net_memory(n, WIDTH * WIDTH, s),
                 .gamma2 = tn_v_net_memory(n, WIDTH, 1),
                 .gate = tn_v_net_memory(n, 2 * WIDTH * WIDTH, s),
                 .up = tn_v_net_memory(n, 2 * WIDTH * WIDTH, s),
                 .down = tn_v_net_memory(n, 2 * WIDTH * WIDTH, s / 2)};
    for (int t = 0; t < TOKENS; ++t) /* what comes out goes in */
        x = decode(n, &w, x, keys, values, t);
    return x >= 0;
}

static const struct {
    const char *name;
    bool (*build)(tn_v_net *n);
} networks[] = {
    {"perceptron", perceptron}, {"residual", residual}, {"encoder", encoder}, {"decoder", decoder}};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

/* The network on one device; the same seed gives the same numbers. */
static bool on(tn_v_session *s, int which, tn_dtype dtype, bool canonical, uint64_t seed,
               tn_v_result *out, unsigned char **result, uint64_t *bytes)
{
    tn_v_random r = {seed};
    tn_v_net *n = calloc(1, sizeof *n);
    *result = NULL;
    if (n == NULL) {
        out->status = TN_V_INTERNAL;
        return tn_v_wrong(out, "no host memory");
    }
    n->s = s;
    n->out = out;
    n->r = &r;
    n->dtype = dtype;
    n->canonical = canonical;
    bool good = networks[which].build(n) && tn_v_net_run(n, result);
    *bytes = good ? (uint64_t)n->value[n->last].count * tn_v_elem_bytes(dtype) : 0;
    if (out->status != TN_V_TIMEOUT)
        tn_v_net_free(n);
    return good;
}

static bool as_cpu(tn_v_session *s, int which, tn_dtype dtype, uint64_t seed,
                   const unsigned char *got, uint64_t bytes, tn_v_result *out)
{
    tn_v_session cpu;
    tn_v_result there;
    unsigned char *want = NULL;
    char why[256];
    uint64_t wanted;
    (void)s;
    memset(&there, 0, sizeof there);
    if (!tn_v_open("cpu", &cpu, why, sizeof why)) {
        out->status = TN_V_INTERNAL;
        return tn_v_wrong(out, "cpu cannot be opened: %.200s", why);
    }
    bool good = on(&cpu, which, dtype, true, seed, &there, &want, &wanted);
    if (!good)
        (void)tn_v_wrong(out, "on cpu: %.300s", there.message);
    int64_t at = good ? tn_v_differs(got, want, bytes) : -1;
    if (at >= 0)
        good =
            tn_v_wrong(out, "byte %lld of the network's result is not that of cpu", (long long)at);
    free(want);
    tn_v_close(&cpu);
    return good;
}

static bool run(tn_v_session *s, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    static const tn_dtype types[] = {TN_F32, TN_F16, TN_BF16};
    char name[24] = "", type[8] = "", cls[16] = "";
    unsigned char *result = NULL;
    uint64_t bytes = 0;
    (void)r;
    if (sscanf(c->op, "network.%23[a-z].%7[a-z0-9].%15[a-z]", name, type, cls) != 3)
        return tn_v_wrong(out, "no such network");
    bool canonical = strcmp(cls, "canonical") == 0, good = false;
    for (int k = 0; k < NETWORKS; ++k)
        for (int t = 0; t < 3; ++t) {
            if (strcmp(networks[k].name, name) != 0 || strcmp(tn_dtype_name(types[t]), type) != 0)
                continue;
            good = on(s, k, types[t], canonical, c->seed, out, &result, &bytes) &&
                   (!canonical || as_cpu(s, k, types[t], c->seed, result, bytes, out));
        }
    if (good)
        tn_v_mix_digest(out, result, bytes);
    free(result);
    return good;
}

static void list(tn_v_sink *s)
{
    static const char *const types[] = {"f32", "f16", "bf16"};
    static const char *const numbers[] = {"", ".1", ".2", ".3", ".4"};
    for (int k = 0; k < NETWORKS; ++k)
        for (int t = 0; t < 3; ++t)
            for (int i = 0; i < 5; ++i) {
                tn_v_list from = i == 0 ? TN_V_QUICK : i < 3 ? TN_V_STANDARD : TN_V_FULL;
                tn_v_add(s, from, 8, TN_V_BIT(TN_V_ZERO_MEAN), "network.%s.%s.bounded%s",
                         networks[k].name, types[t], numbers[i]);
                tn_v_add(s, from, 8, TN_V_BIT(TN_V_ZERO_MEAN), "network.%s.%s.canonical%s",
                         networks[k].name, types[t], numbers[i]);
            }
}

const tn_v_family tn_v_networks = {"network", true, list, run};
