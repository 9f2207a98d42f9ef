/* SPDX-License-Identifier: Apache-2.0 */
/* Conv through the public API: one image alone, in a batch, channels first and last, on every tier,
 * with two threads and on private memory gives the same CANONICAL bits. */
#include "support/run_op.h"
#include "support/test.h"

enum { ELEMENTS = 1 << 15, IMAGES = 3 };

typedef struct arrays {
    float a[ELEMENTS], b[ELEMENTS], bias[ELEMENTS], out[ELEMENTS];
} arrays;

/* `from` [n][c][space] to [n][space][c]. */
static void turn(const float *from, int64_t n, int64_t c, int64_t space, float *to)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            for (int64_t s = 0; s < space; s++)
                to[(i * space + s) * c + j] = from[(i * c + j) * space + s];
}

static bool compute(tn_test_device *d, const char *dims, int64_t images, bool last,
                    const arrays *given, arrays *work)
{
    char text[160];
    tn_op *op = NULL;
    snprintf(text, sizeof text, "conv n%d%s:f32:%sbias+relu+canonical", (int)images, dims,
             last ? "nhwc+" : "");
    tn_status st = tn_op_parse(d->runtime, text, &op);
    TN_REQUIRE(st == TN_OK, "%s", text);
    uint64_t bytes[4];
    void *host[4];
    int64_t k = 0, space = 0;
    for (uint32_t i = 0; i < op->arg_count; i++) {
        const tn_tensor *t = &op->args[i].tensor;
        int64_t count = 1, c = t->dim[last ? t->rank - 1 : 1];
        for (uint32_t r = 0; r < t->rank; r++)
            count *= t->dim[r];
        TN_REQUIRE(count <= ELEMENTS, "%s", text);
        bytes[i] = (uint64_t)count * 4;
        float *to = op->args[i].role == TN_ARG_A   ? work->a
                    : op->args[i].role == TN_ARG_B ? work->b
                                                   : work->bias;
        const float *from = op->args[i].role == TN_ARG_A   ? given->a
                            : op->args[i].role == TN_ARG_B ? given->b
                                                           : given->bias;
        host[i] = to;
        if (op->args[i].role == TN_ARG_OUT) {
            k = c, space = count / t->dim[0] / c;
            host[i] = work->out;
        } else if (last && t->rank > 1) {
            turn(from, t->dim[0], c, count / t->dim[0] / c, to);
        } else {
            memcpy(to, from, bytes[i]);
        }
    }
    bool ok = tn_test_compute(d, op, host, bytes);
    tn_op_free(d->runtime, op);
    if (ok && last) { /* back to channels first */
        memcpy(work->a, work->out, sizeof work->a);
        turn(work->a, images, space, k, work->out);
    }
    return ok;
}

static int64_t out_elements(tn_test_device *d, const char *dims)
{
    char text[96];
    tn_op *op = NULL;
    int64_t n = 1;
    snprintf(text, sizeof text, "conv n1%s", dims);
    TN_REQUIRE(tn_op_parse(d->runtime, text, &op) == TN_OK, "%s", text);
    for (uint32_t i = 0; i < op->arg_count; i++)
        for (uint32_t r = 0; op->args[i].role == TN_ARG_OUT && r < op->args[i].tensor.rank; r++)
            n *= op->args[i].tensor.dim[r];
    tn_op_free(d->runtime, op);
    return n;
}

TN_TEST(conv, same_bits_everywhere)
{
    static const char *const uris[] = {"cpu?max=baseline&threads=1", "cpu?threads=1",
                                       "cpu?threads=2", TN_TEST_TIERS, "cpu?private=1"};
    static const char *const shapes[] = {
        "c64h9w11k20r3s3p1",     "c3h30w31k17r7s7p3u2",     "c150h7w5k33r1s1",
        "c24h13w17k24r3s3g24p1", "c24h13w17k24r3s3g24p1u2", "c12h9w9k8r3s3g4p2l2",
        "c40w90k24s5p2",         "c5d6h7w8k6t3r3s3p1",      "c20h9w10k20r5s5g20p2"};
    uint64_t state = tn_test_seed();
    arrays *given = malloc(sizeof *given), *work = malloc(sizeof *work);
    float *want = malloc(sizeof given->out);
    TN_REQUIRE(given != NULL && work != NULL && want != NULL);
    for (int i = 0; i < ELEMENTS; i++) {
        given->a[i] = (float)(int32_t)tn_test_random(&state) * 0x1p-31f;
        given->b[i] = (float)(int32_t)tn_test_random(&state) * 0x1p-31f;
        given->bias[i] = (float)(int32_t)tn_test_random(&state) * 0x1p-31f;
    }
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t u = 0; u < sizeof uris / sizeof uris[0]; u++) {
            tn_test_device d;
            TN_REQUIRE(tn_test_open(uris[u], &d), "%s", uris[u]);
            size_t one = (size_t)out_elements(&d, shapes[s]) * sizeof(float);
            for (int mode = 0; mode < 4; mode++) {
                int64_t images = mode & 1 ? IMAGES : 1;
                tn_error e = {0};
                bool ok = compute(&d, shapes[s], images, mode >= 2, given, work);
                if (!ok)
                    tn_error_last(&e);
                TN_EXPECT(ok, "%s on %s: %s", shapes[s], uris[u], e.text ? e.text : "");
                if (u == 0 && mode == 0) /* the plain row on one image: the first of the batch */
                    memcpy(want, work->out, one);
                TN_EXPECT(memcmp(want, work->out, one) == 0, "%s on %s, mode %d: other bits",
                          shapes[s], uris[u], mode);
            }
            tn_test_close(&d);
        }
    free(given);
    free(work);
    free(want);
}

/* Winograd runs where the call allows it, and says so. */
TN_TEST(conv, winograd_has_to_be_allowed)
{
    static const char *const uris[] = {"cpu", "cpu?private=1"};
    for (size_t u = 0; u < sizeof uris / sizeof uris[0]; u++) {
        tn_test_device d;
        TN_REQUIRE(tn_test_open(uris[u], &d), "%s", uris[u]);
        for (int allowed = 0; allowed < 2; allowed++) {
            tn_op *op = NULL;
            tn_plan *plan = NULL;
            tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
            tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
            TN_REQUIRE(tn_op_parse(d.runtime,
                                   allowed ? "conv n1c128h28w28k128r3s3p1:f32:nhwc+fast+winograd"
                                           : "conv n1c128h28w28k128r3s3p1:f32:nhwc+fast",
                                   &op) == TN_OK);
            TN_REQUIRE(tn_plan_create(d.device, op, NULL, &plan) == TN_OK);
            TN_REQUIRE(tn_plan_get_info(plan, &info) == TN_OK &&
                       tn_plan_arithmetic(plan, &a) == TN_OK);
            bool winograd = strstr(info.kernel, "winograd") != NULL;
            TN_EXPECT(winograd == (a.transform == 2 || a.transform == 4), "%s", info.kernel);
            TN_EXPECT(allowed || !winograd, "%s", info.kernel);
#ifdef __x86_64__
            TN_EXPECT(!allowed || winograd || !__builtin_cpu_supports("avx2"), "%s", info.kernel);
#endif
            tn_plan_release(plan);
            tn_op_free(d.runtime, op);
        }
        tn_test_close(&d);
    }
}
