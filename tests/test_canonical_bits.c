/* SPDX-License-Identifier: Apache-2.0 */
/* CANONICAL means the same bits whatever computes them: thread counts, tiers, the private device
 * with many delay seeds. test_canonical_splits.c: and however the work is split. */
#include "support/run_op.h"
#include "support/test.h"

enum { OPERANDS = 6, CASES = 40, DELAY_SEEDS = 100 };

/* One random op with host data. The first device that computes it sets `want`. */
typedef struct problem {
    tn_op op;
    tn_arg args[OPERANDS];
    tn_post posts[2];
    tn_matmul matmul;
    tn_attention attention;
    tn_softmax softmax;
    tn_norm norm;
    tn_reduce reduce;
    float *host[OPERANDS];
    uint64_t bytes[OPERANDS];
    uint32_t out;
    char name[128];
} problem;

static int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static void add_operand(problem *p, uint64_t *state, uint32_t role, uint16_t rank,
                        const int64_t *dim)
{
    uint32_t at = p->op.arg_count++;
    uint64_t count = 1;
    for (uint16_t i = 0; i < rank; ++i)
        count *= (uint64_t)dim[i];
    p->args[at] = (tn_arg){.role = role, .tensor = tn_test_tensor(TN_F32, rank, dim)};
    p->bytes[at] = count * 4u;
    p->host[at] = malloc(count * 4u + 4u);
    TN_REQUIRE(p->host[at] != NULL, "memory");
    for (uint64_t i = 0; i < count; ++i) {
        uint64_t r = tn_test_random(state);
        p->host[at][i] = (float)((double)(int64_t)r * 0x1p-63 * (double)(1u << (r & 7u)));
    }
    if (role == TN_ARG_OUT)
        p->out = at;
}

static void make(problem *p, uint64_t seed)
{
    uint64_t state = seed;
    static const int64_t borders[] = {1, 5, 64, 127, 128, 129, 255, 256, 257, 300, 513};
    memset(p, 0, sizeof *p);
    p->op = (tn_op){.head = TN_INIT(tn_op), .numerics = {.cls = TN_CLASS_CANONICAL}};
    p->op.args = p->args;
    int64_t k = borders[tn_test_random(&state) % 11u];
    switch (tn_test_random(&state) % 5u) {
    case 0:
    case 1: {
        int64_t b = pick(&state, 1, 3), m = pick(&state, 1, 70), n = pick(&state, 1, 90);
        p->matmul = (tn_matmul){.head = TN_INIT(tn_matmul)};
        p->op.kind = TN_OP_MATMUL, p->op.attr = &p->matmul;
        add_operand(p, &state, TN_ARG_A, 3, (int64_t[]){b, m, k});
        add_operand(p, &state, TN_ARG_B, 3, (int64_t[]){b, k, n});
        add_operand(p, &state, TN_ARG_OUT, 3, (int64_t[]){b, m, n});
        if (tn_test_random(&state) & 1u) {
            add_operand(p, &state, TN_ARG_POST0, 1, (int64_t[]){n});
            p->posts[0] = (tn_post){TN_POST_BIAS, TN_ARG_POST0, 0, 0};
            p->posts[1] = (tn_post){TN_POST_GELU, 0, 0, 0};
            p->op.posts = p->posts, p->op.post_count = 2;
        }
        snprintf(p->name, sizeof p->name, "matmul b%d %dx%dx%d", (int)b, (int)m, (int)n, (int)k);
        break;
    }
    case 2: {
        int64_t h = pick(&state, 1, 4), q = pick(&state, 1, 40), d = pick(&state, 1, 80);
        p->attention = (tn_attention){.head = TN_INIT(tn_attention)};
        p->attention.flags = tn_test_random(&state) & 1u ? TN_ATTENTION_CAUSAL_FROM_END : 0u;
        p->op.kind = TN_OP_ATTENTION, p->op.attr = &p->attention;
        add_operand(p, &state, TN_ARG_Q, 4, (int64_t[]){2, h, q, d});
        add_operand(p, &state, TN_ARG_K, 4, (int64_t[]){2, h, k, d});
        add_operand(p, &state, TN_ARG_V, 4, (int64_t[]){2, h, k, d});
        add_operand(p, &state, TN_ARG_OUT, 4, (int64_t[]){2, h, q, d});
        snprintf(p->name, sizeof p->name, "attention h%d q%d k%d d%d", (int)h, (int)q, (int)k,
                 (int)d);
        break;
    }
    case 3: {
        int64_t r = pick(&state, 1, 200), n = pick(&state, 1, 5000);
        p->softmax = (tn_softmax){.head = TN_INIT(tn_softmax), .axis = 1};
        p->op.kind = TN_OP_SOFTMAX, p->op.attr = &p->softmax;
        add_operand(p, &state, TN_ARG_A, 2, (int64_t[]){r, n});
        add_operand(p, &state, TN_ARG_OUT, 2, (int64_t[]){r, n});
        snprintf(p->name, sizeof p->name, "softmax %dx%d", (int)r, (int)n);
        break;
    }
    default: {
        int64_t r = pick(&state, 1, 200), n = pick(&state, 1, 5000);
        p->norm = (tn_norm){.head = TN_INIT(tn_norm), .axes = 1, .epsilon = 1e-5f};
        p->op.kind = TN_OP_NORM, p->op.attr = &p->norm;
        add_operand(p, &state, TN_ARG_A, 2, (int64_t[]){r, n});
        add_operand(p, &state, TN_ARG_GAMMA, 1, (int64_t[]){n});
        add_operand(p, &state, TN_ARG_BETA, 1, (int64_t[]){n});
        add_operand(p, &state, TN_ARG_OUT, 2, (int64_t[]){r, n});
        snprintf(p->name, sizeof p->name, "layernorm %dx%d", (int)r, (int)n);
        break;
    }
    }
}

static void forget(problem *p)
{
    for (uint32_t i = 0; i < p->op.arg_count; ++i)
        free(p->host[i]);
}

/* Computes on one device; the output of the plain canonical kernels is in `want`. */
static void compare(tn_test_device *d, const char *uri, problem *p, const float *want,
                    uint64_t seed)
{
    memset(p->host[p->out], 0x7f, p->bytes[p->out]);
    tn_error e = {0};
    bool ok = tn_test_compute(d, &p->op, (void *const *)p->host, p->bytes);
    if (!ok)
        tn_error_last(&e);
    TN_EXPECT(ok, "%s on %s, seed %" PRIu64 ": %s", p->name, uri, seed, e.text ? e.text : "");
    if (ok)
        TN_EXPECT(memcmp(want, p->host[p->out], p->bytes[p->out]) == 0,
                  "%s on %s, seed %" PRIu64 ": the bits differ from the plain canonical kernel",
                  p->name, uri, seed);
}

TN_TEST(canonical_bits, tiers_threads_and_private)
{
    static const char *const uris[] = {"cpu?threads=1", "cpu?threads=2", TN_TEST_TIERS,
                                       "cpu?private=1"};
    enum { URIS = sizeof uris / sizeof uris[0] };
    uint64_t seed = tn_test_seed();
    tn_test_device plain, device[URIS];
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (int i = 0; i < URIS; ++i)
        TN_REQUIRE(tn_test_open(uris[i], &device[i]), "%s", uris[i]);
    for (uint64_t c = 0; c < CASES; ++c) {
        problem p;
        make(&p, seed * 1000u + c);
        bool ok = tn_test_compute(&plain, &p.op, (void *const *)p.host, p.bytes);
        tn_error e = {0};
        if (!ok)
            tn_error_last(&e);
        TN_EXPECT(ok, "%s: %s", p.name, e.text ? e.text : "");
        float *want = malloc(p.bytes[p.out] + 4u);
        if (ok && want != NULL) {
            memcpy(want, p.host[p.out], p.bytes[p.out]);
            for (int i = 0; i < URIS; ++i)
                compare(&device[i], uris[i], &p, want, seed * 1000u + c);
        }
        free(want);
        forget(&p);
    }
    for (int i = 0; i < URIS; ++i)
        tn_test_close(&device[i]);
    tn_test_close(&plain);
}

TN_TEST(canonical_bits, hundred_delay_seeds)
{
    uint64_t seed = tn_test_seed();
    tn_test_device plain;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint64_t s = 1; s <= DELAY_SEEDS; ++s) {
        problem p;
        tn_test_device d;
        char uri[64];
        snprintf(uri, sizeof uri, "cpu?private=1&delay=%" PRIu64, s);
        TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
        make(&p, seed * 7000u + s % 10u);
        TN_EXPECT(tn_test_compute(&plain, &p.op, (void *const *)p.host, p.bytes), "%s", p.name);
        float *want = malloc(p.bytes[p.out] + 4u);
        TN_REQUIRE(want != NULL, "memory");
        memcpy(want, p.host[p.out], p.bytes[p.out]);
        compare(&d, uri, &p, want, s);
        free(want);
        forget(&p);
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}
