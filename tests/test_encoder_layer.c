/* SPDX-License-Identifier: Apache-2.0 */
/* One layer of a transformer encoder with seeded weights, op by op in CANONICAL: its bits are the
 * same on every tier, thread count and memory, and those that are written down here, so that an
 * architecture which runs this test has the bits of all others that do. */
#include "support/run_op.h"
#include "support/test.h"

enum { BATCH = 2, LONG = 16, SHORT = 11, HEADS = 6, HEAD = 32, WIDE = HEADS * HEAD };
enum { INNER = 4 * WIDE, TOKENS = BATCH * LONG, MOST_ARGS = 5 };
/* FNV-1a over the little-endian words of the layer's output. */
static const uint64_t right_digest = 0xd0745eecde42440fu;

/* Exact in f32 and of any size below `most`: the same on every machine. */
static float *numbers(uint64_t *state, size_t count, float most)
{
    float *x = malloc(count * sizeof *x);
    TN_REQUIRE(x != NULL, "memory");
    for (size_t i = 0; i < count; ++i)
        x[i] = (float)((int32_t)(tn_test_random(state) >> 40) - (1 << 23)) * 0x1p-23f * most;
    return x;
}

typedef struct layer {
    float *x, *in[4], *in_bias[4]; /* the projections of q, k, v and of what attention gives */
    float *up, *up_bias, *down, *down_bias, *gamma[2], *beta[2];
    float *q, *k, *v, *seen, *sum, *norm, *inner, *out;
    uint8_t mask[BATCH * LONG];
} layer;

static void make(layer *l)
{
    uint64_t state = 41;
    memset(l, 0, sizeof *l);
    l->x = numbers(&state, TOKENS * WIDE, 2.0f);
    for (int i = 0; i < 4; ++i) {
        l->in[i] = numbers(&state, WIDE * WIDE, 0.125f);
        l->in_bias[i] = numbers(&state, WIDE, 0.25f);
    }
    l->up = numbers(&state, WIDE * INNER, 0.125f);
    l->up_bias = numbers(&state, INNER, 0.25f);
    l->down = numbers(&state, INNER * WIDE, 0.0625f);
    l->down_bias = numbers(&state, WIDE, 0.25f);
    for (int i = 0; i < 2; ++i) {
        l->gamma[i] = numbers(&state, WIDE, 1.5f);
        l->beta[i] = numbers(&state, WIDE, 0.5f);
    }
    float **made[] = {&l->q, &l->k, &l->v, &l->seen, &l->sum, &l->norm, &l->out};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; ++i)
        *made[i] = numbers(&state, TOKENS * WIDE, 1.0f);
    l->inner = numbers(&state, TOKENS * INNER, 1.0f);
    for (int i = 0; i < BATCH * LONG; ++i)
        l->mask[i] = i < LONG || i - LONG < SHORT; /* the second sequence is shorter */
}

static void drop(layer *l)
{
    float *all[] = {l->x,        l->up,      l->up_bias, l->down,  l->down_bias, l->gamma[0],
                    l->gamma[1], l->beta[0], l->beta[1], l->q,     l->k,         l->v,
                    l->seen,     l->sum,     l->norm,    l->inner, l->out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        free(all[i]);
    for (int i = 0; i < 4; ++i) {
        free(l->in[i]);
        free(l->in_bias[i]);
    }
}

typedef struct call {
    tn_op op;
    tn_arg args[MOST_ARGS];
    void *host[MOST_ARGS];
    uint64_t bytes[MOST_ARGS];
} call;

static void give(call *c, uint32_t role, void *host, tn_tensor tensor)
{
    uint32_t i = c->op.arg_count++;
    int64_t last = 0;
    for (uint32_t d = 0; d < tensor.rank; ++d)
        last += (tensor.dim[d] - 1) * tensor.stride[d];
    c->args[i] = (tn_arg){.role = role, .tensor = tensor};
    c->host[i] = host;
    c->bytes[i] = (uint64_t)(last + 1) * (tensor.dtype == TN_BOOL ? 1u : 4u);
}

static void compute(tn_test_device *d, const char *uri, const char *what, call *c)
{
    tn_error e = {0};
    c->op.head = (tn_head)TN_INIT(tn_op);
    c->op.numerics.cls = TN_CLASS_CANONICAL;
    c->op.args = c->args;
    bool ok = tn_test_compute(d, &c->op, c->host, c->bytes);
    if (!ok)
        tn_error_last(&e);
    TN_REQUIRE(ok, "%s on %s: %s", what, uri, e.text != NULL ? e.text : "");
}

/* y = act(x w + bias) + residual */
static void project(tn_test_device *d, const char *uri, float *x, float *w, float *bias,
                    float *residual, bool gelu, int64_t in, int64_t out, float *y)
{
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_post posts[3] = {{TN_POST_BIAS, TN_ARG_POST0, 0, 0}};
    call c = {.op = {.kind = TN_OP_MATMUL, .attr = &attr, .posts = posts, .post_count = 1}};
    give(&c, TN_ARG_A, x, tn_test_tensor(TN_F32, 2, (int64_t[]){TOKENS, in}));
    give(&c, TN_ARG_B, w, tn_test_tensor(TN_F32, 2, (int64_t[]){in, out}));
    give(&c, TN_ARG_OUT, y, tn_test_tensor(TN_F32, 2, (int64_t[]){TOKENS, out}));
    give(&c, TN_ARG_POST0, bias, tn_test_tensor(TN_F32, 1, (int64_t[]){out}));
    if (gelu)
        posts[c.op.post_count++] = (tn_post){TN_POST_GELU, 0, 0, 0};
    if (residual != NULL) {
        uint32_t role = TN_ARG_POST0 + c.op.post_count;
        posts[c.op.post_count++] = (tn_post){TN_POST_ADD, role, 0, 0};
        give(&c, role, residual, tn_test_tensor(TN_F32, 2, (int64_t[]){TOKENS, out}));
    }
    compute(d, uri, "matmul", &c);
}

static void normalise(tn_test_device *d, const char *uri, float *x, float *gamma, float *beta,
                      float *y)
{
    tn_norm attr = {.head = TN_INIT(tn_norm), .axes = 1, .epsilon = 0x1p-20f};
    call c = {.op = {.kind = TN_OP_NORM, .attr = &attr}};
    give(&c, TN_ARG_A, x, tn_test_tensor(TN_F32, 2, (int64_t[]){TOKENS, WIDE}));
    give(&c, TN_ARG_OUT, y, tn_test_tensor(TN_F32, 2, (int64_t[]){TOKENS, WIDE}));
    give(&c, TN_ARG_GAMMA, gamma, tn_test_tensor(TN_F32, 1, (int64_t[]){WIDE}));
    give(&c, TN_ARG_BETA, beta, tn_test_tensor(TN_F32, 1, (int64_t[]){WIDE}));
    compute(d, uri, "norm", &c);
}

/* [batch, position, head, element] in memory, as the projections leave it. */
static tn_tensor heads(void)
{
    tn_tensor t = tn_test_tensor(TN_F32, 4, (int64_t[]){BATCH, HEADS, LONG, HEAD});
    t.stride[0] = LONG * WIDE;
    t.stride[1] = HEAD;
    t.stride[2] = WIDE;
    return t;
}

static void attend(tn_test_device *d, const char *uri, layer *l)
{
    tn_attention attr = {.head = TN_INIT(tn_attention)};
    call c = {.op = {.kind = TN_OP_ATTENTION, .attr = &attr}};
    give(&c, TN_ARG_Q, l->q, heads());
    give(&c, TN_ARG_K, l->k, heads());
    give(&c, TN_ARG_V, l->v, heads());
    give(&c, TN_ARG_MASK, l->mask, tn_test_tensor(TN_BOOL, 4, (int64_t[]){BATCH, 1, 1, LONG}));
    give(&c, TN_ARG_OUT, l->seen, heads());
    compute(d, uri, "attention", &c);
}

static uint64_t digest(const float *x, size_t count)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; ++i) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        for (int b = 0; b < 32; b += 8)
            h = (h ^ (word >> b & 0xffu)) * 0x100000001b3u;
    }
    return h;
}

static uint64_t run(const char *uri)
{
    tn_test_device d;
    layer l;
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    make(&l);
    float *to[3] = {l.q, l.k, l.v};
    for (int i = 0; i < 3; ++i)
        project(&d, uri, l.x, l.in[i], l.in_bias[i], NULL, false, WIDE, WIDE, to[i]);
    attend(&d, uri, &l);
    project(&d, uri, l.seen, l.in[3], l.in_bias[3], l.x, false, WIDE, WIDE, l.sum);
    normalise(&d, uri, l.sum, l.gamma[0], l.beta[0], l.norm);
    project(&d, uri, l.norm, l.up, l.up_bias, NULL, true, WIDE, INNER, l.inner);
    project(&d, uri, l.inner, l.down, l.down_bias, l.norm, false, INNER, WIDE, l.sum);
    normalise(&d, uri, l.sum, l.gamma[1], l.beta[1], l.out);
    bool finite = true, varied = false;
    for (int i = 0; i < TOKENS * WIDE; ++i) {
        finite = finite && l.out[i] - l.out[i] == 0.0f;
        varied = varied || l.out[i] != l.out[i % WIDE];
    }
    TN_EXPECT(finite && varied, "%s: the layer has no numbers to compare", uri);
    uint64_t h = digest(l.out, TOKENS * WIDE);
    fprintf(stderr, "%s: digest %016" PRIx64 "\n", uri, h);
    drop(&l);
    tn_test_close(&d);
    return h;
}

TN_TEST(encoder_layer, bits_of_every_tier_and_architecture)
{
    static const char *const uris[] = {"cpu?max=baseline&threads=1", "cpu?threads=1",
                                       "cpu?threads=3", TN_TEST_TIERS};
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i)
        TN_EXPECT(run(uris[i]) == right_digest, "%s", uris[i]);
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        TN_EXPECT(run(*uri) == right_digest, "%s", *uri);
}
