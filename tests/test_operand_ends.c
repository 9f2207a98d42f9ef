/* SPDX-License-Identifier: Apache-2.0 */
/* Operands whose last byte is the last of a mapping: a kernel that reads behind them faults. */
#define _GNU_SOURCE
#include "support/test.h"

#include <string.h>
#include <sys/mman.h>
#include <tenon/tenon.h>
#include <unistd.h>

enum { Q, K, V, OUT, OPERANDS };

typedef struct ended {
    unsigned char *map;
    size_t bytes; /* without the page that has no access */
    tn_tensor tensor;
} ended;

/* Dense f32 at the end of a mapping, which becomes a buffer where it lies. */
static void make(tn_device *d, int64_t rows, int64_t columns, ended *out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (size_t)(rows * columns) * 4;
    out->bytes = (used + page - 1) / page * page;
    out->map =
        mmap(NULL, out->bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TN_REQUIRE(out->map != MAP_FAILED && mprotect(out->map + out->bytes, page, PROT_NONE) == 0);
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = out->map,
                            .bytes = out->bytes};
    out->tensor = (tn_tensor){.dtype = TN_F32,
                              .rank = 3,
                              .dim = {1, rows, columns},
                              .stride = {rows * columns, columns, 1},
                              .offset_bytes = out->bytes - used};
    TN_REQUIRE(tn_buffer_import(d, &external, &out->tensor.buffer) == TN_OK);
    float *at = (float *)(void *)(out->map + out->tensor.offset_bytes);
    for (int64_t i = 0; i < rows * columns; ++i)
        at[i] = (float)(i % 7) - 3.0f;
}

/* The window of the last queries lies behind the last key: they see nothing, and so nothing is
 * read for them. */
TN_TEST(operand_ends, window_behind_the_keys)
{
    static const char *const uris[] = {"cpu", "cpu?max=baseline", "cpu?max=avx2", "cpu?max=avx512"};
    const int64_t queries = 49, keys = 33, depth = 3, dv = 37, first_query = 12, left = 21;
    for (size_t u = 0; u < sizeof uris / sizeof uris[0]; ++u) {
        tn_runtime *rt = NULL;
        tn_device *d = NULL;
        tn_queue *q = NULL;
        ended o[OPERANDS];
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK &&
                       tn_device_open(rt, uris[u], &d) == TN_OK &&
                       tn_queue_create(d, NULL, &q) == TN_OK,
                   "%s", uris[u]);
        make(d, queries, depth, &o[Q]);
        make(d, keys, depth, &o[K]);
        make(d, keys, dv, &o[V]);
        make(d, queries, dv, &o[OUT]);
        tn_attention attr = {.head = TN_INIT(tn_attention),
                             .flags = TN_ATTENTION_WINDOW,
                             .first_query = first_query,
                             .window_left = left,
                             .window_right = 20};
        tn_arg args[OPERANDS] = {{.role = TN_ARG_Q, .tensor = o[Q].tensor},
                                 {.role = TN_ARG_K, .tensor = o[K].tensor},
                                 {.role = TN_ARG_V, .tensor = o[V].tensor},
                                 {.role = TN_ARG_OUT, .tensor = o[OUT].tensor}};
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_ATTENTION,
                    .arg_count = OPERANDS,
                    .attr = &attr,
                    .args = args};
        TN_EXPECT(tn_compute(q, &op) == TN_OK && tn_queue_wait_idle(q, UINT64_MAX) == TN_OK, "%s",
                  uris[u]);
        const float *out = (const float *)(const void *)(o[OUT].map + o[OUT].tensor.offset_bytes);
        for (int64_t i = 0; i < queries; ++i) {
            bool sees = first_query + i - left < keys, zero = true;
            for (int64_t e = 0; e < dv; ++e)
                zero = zero && out[i * dv + e] == 0.0f;
            TN_EXPECT(zero == !sees, "%s: query %d", uris[u], (int)i);
        }
        for (int i = 0; i < OPERANDS; ++i)
            tn_buffer_release(o[i].tensor.buffer);
        tn_queue_release(q);
        tn_device_release(d);
        tn_runtime_release(rt);
        for (int i = 0; i < OPERANDS; ++i)
            munmap(o[i].map, o[i].bytes + (size_t)sysconf(_SC_PAGESIZE));
    }
}
