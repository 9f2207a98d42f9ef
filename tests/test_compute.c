/* SPDX-License-Identifier: Apache-2.0 */
/* tn_compute and packing on every test device, against sums that are exact in f32. */
#include <tenon/tenon.h>

#include "support/test.h"

typedef struct bench {
    tn_runtime *rt;
    tn_device *device;
    tn_queue *queue;
} bench;

static void start(bench *b, const char *uri)
{
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_error e;
    TN_REQUIRE(tn_runtime_create(NULL, &b->rt) == TN_OK);
    tn_status st = tn_device_open(b->rt, uri, &b->device);
    if (st == TN_OK)
        st = tn_queue_create(b->device, &qd, &b->queue);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", uri, e.text);
}

static void stop(bench *b)
{
    tn_queue_release(b->queue);
    tn_device_release(b->device);
    tn_runtime_release(b->rt);
}

static tn_buffer *upload(bench *b, const void *from, uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer *out = NULL;
    TN_REQUIRE(tn_buffer_create(b->device, &desc, &out) == TN_OK);
    if (from != NULL)
        TN_REQUIRE(tn_queue_write(b->queue, out, 0, from, bytes, NULL) == TN_OK);
    TN_REQUIRE(tn_queue_wait_idle(b->queue, UINT64_MAX) == TN_OK);
    return out;
}

static void download(bench *b, void *to, tn_buffer *from, uint64_t bytes)
{
    TN_REQUIRE(tn_queue_read(b->queue, to, from, 0, bytes, NULL) == TN_OK);
    TN_REQUIRE(tn_queue_wait_idle(b->queue, UINT64_MAX) == TN_OK);
}

static void compute(bench *b, const char *text, tn_buffer *const *buffers, uint32_t count)
{
    tn_op *op = NULL;
    tn_arg args[8];
    tn_error e;
    tn_status st = tn_op_parse(b->rt, text, &op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK && op->arg_count == count, "%s: %s", text, e.text);
    memcpy(args, op->args, count * sizeof args[0]);
    for (uint32_t i = 0; i < count; ++i)
        args[i].tensor.buffer = buffers[i];
    tn_op bound = *op;
    bound.args = args;
    st = tn_compute(b->queue, &bound);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s %s", text, e.reason, e.text);
    tn_op_free(b->rt, op);
}

enum { M = 33, N = 47, K = 65 };
/* Small integers: every partial sum is exact in f32, in any order. */
static float a[M * K], b[K * N], bias[N], want[M * N], got[M * N];

static void fill(void)
{
    uint64_t seed = tn_test_seed();
    for (int i = 0; i < M * K; ++i)
        a[i] = (float)((int)(tn_test_random(&seed) % 17) - 8);
    for (int i = 0; i < K * N; ++i)
        b[i] = (float)((int)(tn_test_random(&seed) % 17) - 8);
    for (int j = 0; j < N; ++j)
        bias[j] = (float)((int)(tn_test_random(&seed) % 100) - 50);
    for (int i = 0; i < M; ++i)
        for (int j = 0; j < N; ++j) {
            float sum = 0.0f;
            for (int k = 0; k < K; ++k)
                sum += a[i * K + k] * b[k * N + j];
            sum += bias[j];
            want[i * N + j] = sum > 0.0f ? sum : 0.0f;
        }
}

TN_TEST(compute, matmul)
{
    fill();
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        static const char *const classes[] = {"", "+canonical", "+fast"};
        bench w;
        start(&w, *uri);
        tn_buffer *buffers[4] = {upload(&w, a, sizeof a), upload(&w, b, sizeof b),
                                 upload(&w, bias, sizeof bias), upload(&w, NULL, sizeof got)};
        for (int c = 0; c < 3; ++c) {
            char text[96];
            (void)snprintf(text, sizeof text, "matmul %dx%dx%d:f32:bias+relu%s", M, N, K,
                           classes[c]);
            memset(got, 0xff, sizeof got);
            compute(&w, text, buffers, 4);
            download(&w, got, buffers[3], sizeof got);
            TN_EXPECT(memcmp(got, want, sizeof got) == 0, "%s %s", *uri, text);
        }
        for (int i = 0; i < 4; ++i)
            tn_buffer_release(buffers[i]);
        stop(&w);
    }
}

TN_TEST(compute, packed_weights)
{
    fill();
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        bench w;
        tn_op *op = NULL;
        tn_plan *p = NULL;
        tn_error e;
        uint64_t layout = 0, bytes = 0;
        char text[96];
        start(&w, *uri);
        (void)snprintf(text, sizeof text, "matmul %dx%dx%d:f32:bias+relu+packed", M, N, K);
        TN_REQUIRE(tn_op_parse(w.rt, text, &op) == TN_OK);
        tn_status st = tn_plan_create(w.device, op, NULL, &p);
        tn_error_last(&e);
        TN_REQUIRE(st == TN_OK, "%s: %s %s", *uri, e.reason, e.text);
        TN_REQUIRE(tn_plan_layout(p, TN_ARG_B, &layout, &bytes) == TN_OK);
        TN_EXPECT(layout > UINT32_MAX && bytes >= sizeof b);
        tn_buffer *ba = upload(&w, a, sizeof a), *bb = upload(&w, b, sizeof b);
        tn_buffer *bp = upload(&w, NULL, bytes), *bc = upload(&w, bias, sizeof bias);
        tn_buffer *bo = upload(&w, NULL, sizeof got);
        tn_tensor from = op->args[1].tensor;
        from.buffer = bb;
        st = tn_queue_pack(w.queue, p, TN_ARG_B, &from, bp, 0, NULL);
        tn_error_last(&e);
        TN_REQUIRE(st == TN_OK, "%s", e.text);
        tn_bind binds[4] = {{.role = TN_ARG_OUT, .buffer = bo},
                            {.role = TN_ARG_POST0, .buffer = bc},
                            {.role = TN_ARG_B, .buffer = bp},
                            {.role = TN_ARG_A, .buffer = ba}};
        TN_REQUIRE(tn_queue_run(w.queue, p, binds, 4, NULL, NULL) == TN_OK);
        download(&w, got, bo, sizeof got);
        TN_EXPECT(memcmp(got, want, sizeof got) == 0, "%s", *uri);
        tn_plan_release(p);
        tn_op_free(w.rt, op);
        tn_buffer_release(ba);
        tn_buffer_release(bb);
        tn_buffer_release(bp);
        tn_buffer_release(bc);
        tn_buffer_release(bo);
        stop(&w);
    }
}

TN_TEST(compute, rows)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        const float x[6] = {1, 2, 3, 4, 5, 6};
        const int64_t index[3] = {1, 0, 1};
        float y[9];
        bench w;
        start(&w, *uri);
        tn_buffer *in = upload(&w, x, sizeof x), *idx = upload(&w, index, sizeof index);
        tn_buffer *out = upload(&w, NULL, sizeof y);
        compute(&w, "reduce sum 2x3:f32:axes=1", (tn_buffer *[]){in, out}, 2);
        download(&w, y, out, 8);
        TN_EXPECT(y[0] == 6.0f && y[1] == 15.0f, "%s reduce", *uri);
        compute(&w, "gather 2x3:f32:axis=-2+index=3/s64", (tn_buffer *[]){in, idx, out}, 3);
        download(&w, y, out, sizeof y);
        TN_EXPECT(y[0] == 4.0f && y[3] == 1.0f && y[8] == 6.0f, "%s gather", *uri);
        compute(&w, "copy 3x2:f32:a=3x2@1x3", (tn_buffer *[]){in, out}, 2);
        download(&w, y, out, sizeof x);
        TN_EXPECT(y[0] == 1.0f && y[1] == 4.0f && y[4] == 3.0f && y[5] == 6.0f, "%s copy", *uri);
        compute(&w, "softmax 2x3:f32:axis=-1+canonical", (tn_buffer *[]){in, out}, 2);
        download(&w, y, out, sizeof x);
        TN_EXPECT(memcmp(y, y + 3, 12) == 0 && y[2] > y[1], "%s softmax", *uri);
        tn_buffer_release(in);
        tn_buffer_release(idx);
        tn_buffer_release(out);
        stop(&w);
    }
}
