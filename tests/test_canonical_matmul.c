/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of every float type has the same bits on every tier and thread count, in private memory,
 * in every layout of its operands, and whether an item comes alone or in a batch. */
#include "support/run_op.h"
#include "support/test.h"

#include <kernels/common/widen.h>

enum { OPERANDS = 5, CASES = 60 };

static const tn_dtype types[] = {TN_F32, TN_BF16, TN_F16, TN_F8E4M3, TN_F8E5M2};

/* a, b, out, bias, residual; dense arrays, whose values are what matters. */
typedef struct problem {
    int64_t batch, m, n, k;
    bool shared_b, posts;
    tn_dtype type[OPERANDS];
    void *data[OPERANDS];
    char name[128];
} problem;

static int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static void dims_of(const problem *p, int i, int64_t dim[3])
{
    dim[0] = i == 3 || (i == 1 && p->shared_b) ? 1 : p->batch;
    dim[1] = i == 3 ? 1 : i == 1 ? p->k : p->m;
    dim[2] = i == 0 ? p->k : p->n;
}

static int64_t count_of(const problem *p, int i)
{
    int64_t dim[3];
    dims_of(p, i, dim);
    return dim[0] * dim[1] * dim[2];
}

static void make(problem *p, uint64_t *state)
{
    static const int64_t depths[] = {1, 5, 64, 127, 128, 129, 255, 257, 300, 513};
    memset(p, 0, sizeof *p);
    p->batch = pick(state, 1, 3);
    p->m = pick(state, 1, 5) == 1 ? 1 : pick(state, 1, 70);
    p->n = pick(state, 1, 90);
    p->k = depths[tn_test_random(state) % 10u];
    p->shared_b = pick(state, 0, 1) != 0;
    p->posts = pick(state, 0, 1) != 0;
    p->type[1] = types[pick(state, 0, 4)];
    p->type[0] = pick(state, 0, 1) ? p->type[1] : types[pick(state, 0, 4)];
    p->type[2] = pick(state, 0, 1) ? TN_F32 : types[pick(state, 1, 4)];
    p->type[3] = pick(state, 0, 1) ? TN_F32 : p->type[2];
    p->type[4] = pick(state, 0, 1) ? TN_F32 : p->type[2];
    for (int i = 0; i < OPERANDS; ++i) {
        int64_t n = count_of(p, i);
        p->data[i] = calloc((size_t)n + 1, 4);
        TN_REQUIRE(p->data[i] != NULL, "memory");
        for (int64_t j = 0; j < n; ++j)
            tn_k_narrow(p->type[i], p->data[i], j,
                        (float)((double)(int64_t)tn_test_random(state) * 0x1p-63));
    }
    snprintf(p->name, sizeof p->name, "matmul b%d %dx%dx%d:%s,%s,%s", (int)p->batch, (int)p->m,
             (int)p->n, (int)p->k, tn_dtype_name(p->type[0]), tn_dtype_name(p->type[1]),
             tn_dtype_name(p->type[2]));
}

static void forget(problem *p)
{
    for (int i = 0; i < OPERANDS; ++i)
        free(p->data[i]);
}

/* The items [first, first + count) on a device, each matrix of a and b stored by its columns where
 * `turned`; the output's bytes, dense. */
static void *compute(tn_test_device *d, const problem *p, int64_t first, int64_t count, bool turned)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_OUT, TN_ARG_POST0,
                                     TN_ARG_POST0 + 1};
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_post posts[] = {{TN_POST_BIAS, TN_ARG_POST0, 0, 0},
                       {TN_POST_ADD, TN_ARG_POST0 + 1, 0, 0},
                       {TN_POST_GELU, 0, 0, 0}};
    tn_arg args[OPERANDS];
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_MATMUL,
                .attr = &attr,
                .args = args,
                .arg_count = p->posts ? 5 : 3,
                .posts = posts,
                .post_count = p->posts ? 3 : 0,
                .numerics = {.cls = TN_CLASS_CANONICAL}};
    void *host[OPERANDS];
    uint64_t bytes[OPERANDS];
    for (uint32_t i = 0; i < op.arg_count; ++i) {
        int64_t dim[3], size = tn_k_float_bytes(p->type[i]);
        dims_of(p, (int)i, dim);
        int64_t item = dim[1] * dim[2], from = dim[0] == 1 ? 0 : first;
        dim[0] = dim[0] == 1 ? 1 : count;
        args[i] = (tn_arg){.role = roles[i], .tensor = tn_test_tensor(p->type[i], 3, dim)};
        bytes[i] = (uint64_t)(dim[0] * item * size);
        host[i] = malloc(bytes[i] + 4u);
        TN_REQUIRE(host[i] != NULL, "memory");
        memcpy(host[i], (char *)p->data[i] + from * item * size, bytes[i]);
        if (turned && i < 2) {
            args[i].tensor.stride[1] = 1;
            args[i].tensor.stride[2] = dim[1];
            for (int64_t j = 0; j < dim[0] * item; ++j) {
                int64_t row = j % item / dim[2], col = j % dim[2];
                memcpy((char *)host[i] + (j / item * item + col * dim[1] + row) * size,
                       (char *)p->data[i] + (from * item + j) * size, (size_t)size);
            }
        }
    }
    memset(host[2], 0x7f, bytes[2]);
    tn_error e = {0};
    bool ok = tn_test_compute(d, &op, host, bytes);
    if (!ok)
        tn_error_last(&e);
    TN_REQUIRE(ok, "%s: %s", p->name, e.text != NULL ? e.text : "");
    for (uint32_t i = 0; i < op.arg_count; ++i)
        if (i != 2)
            free(host[i]);
    return host[2];
}

TN_TEST(canonical_matmul, tiers_threads_layouts_batch)
{
    static const char *const uris[] = {"cpu?threads=1", "cpu?threads=2", TN_TEST_TIERS,
                                       "cpu?private=1"};
    enum { URIS = sizeof uris / sizeof uris[0] };
    uint64_t state = tn_test_seed();
    tn_test_device plain, device[URIS];
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (int i = 0; i < URIS; ++i)
        TN_REQUIRE(tn_test_open(uris[i], &device[i]), "%s", uris[i]);
    for (int c = 0; c < CASES; ++c) {
        problem p;
        make(&p, &state);
        uint64_t item = (uint64_t)(p.m * p.n * tn_k_float_bytes(p.type[2]));
        void *want = compute(&plain, &p, 0, p.batch, false);
        for (int i = 0; i < URIS; ++i) {
            for (int turned = 0; turned < 2; ++turned) {
                void *got = compute(&device[i], &p, 0, p.batch, turned != 0);
                TN_EXPECT(memcmp(want, got, item * (uint64_t)p.batch) == 0, "%s on %s, turned %d",
                          p.name, uris[i], turned);
                free(got);
            }
            int64_t one = pick(&state, 0, p.batch - 1);
            void *got = compute(&device[i], &p, one, 1, false);
            TN_EXPECT(memcmp((char *)want + item * (uint64_t)one, got, item) == 0,
                      "%s on %s, item %d alone", p.name, uris[i], (int)one);
            free(got);
        }
        free(want);
        forget(&p);
    }
    for (int i = 0; i < URIS; ++i)
        tn_test_close(&device[i]);
    tn_test_close(&plain);
}
