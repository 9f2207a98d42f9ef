/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench attention: one shape bBhH[gG]qQkKdD[:f32|bf16|f16|s8[:causal]] in CANONICAL and
 * FAST. g: heads of keys and values; s8: these alone, with one scale. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    tn_queue *queue;
    tn_plan *plan;
    tn_buffer *buffer;
    uint64_t offset[5];
    uint32_t operands;
    bool failed;
} job;

static void run(void *self)
{
    job *j = self;
    tn_bind binds[] = {{TN_ARG_Q, 0, j->buffer, j->offset[0]},
                       {TN_ARG_K, 0, j->buffer, j->offset[1]},
                       {TN_ARG_V, 0, j->buffer, j->offset[2]},
                       {TN_ARG_OUT, 0, j->buffer, j->offset[3]},
                       {TN_ARG_SCALE_OF + TN_ARG_K, 0, j->buffer, j->offset[4]},
                       {TN_ARG_SCALE_OF + TN_ARG_V, 0, j->buffer, j->offset[4]}};
    if (tn_queue_run(j->queue, j->plan, binds, j->operands, NULL, NULL) != TN_OK ||
        tn_queue_wait_idle(j->queue, UINT64_MAX) != TN_OK)
        j->failed = true;
}

/* Behind the sizes: a dtype, and after it perhaps `causal`. */
static bool read_words(const char *text, tn_dtype *dtype, bool *causal)
{
    static const tn_dtype known[] = {TN_F32, TN_BF16, TN_F16, TN_S8};
    *dtype = TN_F32;
    *causal = false;
    for (int i = 0; i < 4 && text[0] == ':'; ++i) {
        size_t n = strlen(tn_dtype_name(known[i]));
        if (strncmp(text + 1, tn_dtype_name(known[i]), n) == 0) {
            *dtype = known[i];
            text += n + 1;
            *causal = strcmp(text, ":causal") == 0;
            break;
        }
    }
    return text[0] == '\0' || *causal;
}

static tn_tensor heads(tn_dtype dtype, int64_t b, int64_t h, int64_t s, int64_t d)
{
    tn_tensor t = {.dtype = (uint16_t)dtype,
                   .rank = 4,
                   .dim = {b, h, s, d},
                   .stride = {h * s * d, s * d, d, 1}};
    return t;
}

int tool_bench_attention(tn_device *device, const char *shape, uint32_t threads, uint32_t rounds,
                         double peak, cJSON *rows)
{
    long long b, h, g, q, k, d;
    int used = 0, rc = 1;
    tn_dtype dtype;
    bool causal;
    bool read =
        sscanf(shape, "b%lldh%lldg%lldq%lldk%lldd%lld%n", &b, &h, &g, &q, &k, &d, &used) == 6;
    if (!read) {
        read = sscanf(shape, "b%lldh%lldq%lldk%lldd%lld%n", &b, &h, &q, &k, &d, &used) == 5;
        g = h;
    }
    if (!read || b < 1 || h < 1 || g < 1 || h % g != 0 || q < 1 || k < 1 || d < 1 || b > 4096 ||
        h > 4096 || b * h > 4096 || q > 65536 || k > 65536 || d > 512 ||
        !read_words(shape + used, &dtype, &causal)) {
        fprintf(stderr,
                "tenon bench: shape '%s' is not bBhH[gG]qQkKdD[:f32|bf16|f16|s8[:causal]]\n",
                shape);
        return 2;
    }
    const tn_dtype rows_of = dtype == TN_S8 ? TN_F32 : dtype;
    uint64_t size = tn_dtype_bits(rows_of) / 8u, key_size = tn_dtype_bits(dtype) / 8u;
    uint64_t bytes[5], total = 0;
    job j[2];
    memset(j, 0, sizeof j);
    bytes[0] = bytes[3] = (uint64_t)(b * h * q * d) * size;
    bytes[1] = bytes[2] = (uint64_t)(b * g * k * d) * key_size;
    bytes[4] = sizeof(float);
    for (int i = 0; i < 5; ++i) {
        j[0].offset[i] = j[1].offset[i] = total;
        total += (bytes[i] + 4095u) & ~(uint64_t)4095u;
    }
    tn_attention attr = {.head = TN_INIT(tn_attention), .flags = causal ? TN_ATTENTION_CAUSAL : 0u};
    tn_arg args[6] = {{TN_ARG_Q, 0, heads(rows_of, b, h, q, d)},
                      {TN_ARG_K, 0, heads(dtype, b, g, k, d)},
                      {TN_ARG_V, 0, heads(dtype, b, g, k, d)},
                      {TN_ARG_OUT, 0, heads(rows_of, b, h, q, d)},
                      {TN_ARG_SCALE_OF + TN_ARG_K, 0, {.dtype = TN_F32}},
                      {TN_ARG_SCALE_OF + TN_ARG_V, 0, {.dtype = TN_F32}}};
    const uint32_t operands = dtype == TN_S8 ? 6 : 4;
    tn_buffer *buffer = NULL;
    tn_queue *queue = NULL;
    void *host = malloc(total);
    tool_contestant c[2];
    memset(c, 0, sizeof c);
    tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = total};
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    if (host == NULL)
        goto done;
    uint32_t state = 1;
    for (uint64_t i = 0; i < total / size; ++i) {
        state = state * 1664525u + 1013904223u;
        if (rows_of == TN_F32)
            ((float *)host)[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
        else /* any number of 1 to 2 and its sign, whatever the exponent's width */
            ((uint16_t *)host)[i] =
                (uint16_t)((dtype == TN_BF16 ? 0x3f80u : 0x3c00u) | (state >> 16 & 0x807fu));
    }
    *(float *)(void *)((char *)host + j[0].offset[4]) = 0x1p-7f;
    if (tn_buffer_create(device, &bd, &buffer) != TN_OK ||
        tn_queue_create(device, &qd, &queue) != TN_OK ||
        tn_queue_write(queue, buffer, 0, host, total, NULL) != TN_OK ||
        tn_queue_wait_idle(queue, UINT64_MAX) != TN_OK) {
        tool_error(shape);
        goto done;
    }
    for (int v = 0; v < 2; ++v) {
        tn_class cls = v == 0 ? TN_CLASS_FAST : TN_CLASS_CANONICAL;
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_ATTENTION,
                    .arg_count = operands,
                    .attr = &attr,
                    .args = args,
                    .numerics = {.cls = cls}};
        j[v].queue = queue;
        j[v].operands = operands;
        j[v].buffer = buffer;
        if (tn_plan_create(device, &op, NULL, &j[v].plan) != TN_OK) {
            tool_error(shape);
            goto done;
        }
        c[v].run = run;
        c[v].self = &j[v];
        snprintf(c[v].cls, sizeof c[v].cls, "%s", tool_class_name(cls));
        snprintf(c[v].impl, sizeof c[v].impl, "tenon");
    }
    if (!tool_interleave(c, 2, rounds))
        goto done;
    double flops = 4.0 * (double)(b * h) * (double)q * (double)k * (double)d * (causal ? 0.5 : 1.0);
    printf("attention %s, %u thread%s, %u interleaved rounds\n", shape, threads,
           threads == 1 ? "" : "s", rounds);
    double price = 100.0 * (tool_pair_ratio(&c[1], &c[0]) - 1.0);
    for (int v = 0; v < 2; ++v) {
        tool_stats s = tool_statistics(c[v].sample_s, c[v].count);
        printf(
            "  tenon %-10s median %9.3f ms, p10 %9.3f, p90 %9.3f, %7.1f GFLOP/s, %5.1f%% of peak, "
            "keys and values %5.1f GB/s\n",
            c[v].cls, s.median * 1e3, s.p10 * 1e3, s.p90 * 1e3, flops / s.median * 1e-9,
            flops / s.median * 1e-7 / peak, (double)(bytes[1] + bytes[2]) / s.median * 1e-9);
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "op", "attention");
        cJSON_AddStringToObject(row, "dtype", tn_dtype_name(dtype));
        cJSON_AddStringToObject(row, "shape", shape);
        cJSON_AddNumberToObject(row, "threads", threads);
        cJSON_AddStringToObject(row, "class", c[v].cls);
        cJSON_AddStringToObject(row, "impl", "tenon");
        cJSON_AddBoolToObject(row, "packed", 0);
        cJSON_AddNumberToObject(row, "median_ms", s.median * 1e3);
        cJSON_AddNumberToObject(row, "p10_ms", s.p10 * 1e3);
        cJSON_AddNumberToObject(row, "p90_ms", s.p90 * 1e3);
        cJSON_AddNumberToObject(row, "gflops", flops / s.median * 1e-9);
        cJSON_AddNumberToObject(row, "gbs", (double)total / s.median * 1e-9);
        cJSON_AddItemToArray(rows, row);
    }
    printf("  price of canonical: %+.2f %%\n", price);
    rc = j[0].failed || j[1].failed ? tool_error(shape) : 0;
done:
    for (int v = 0; v < 2; ++v) {
        tn_plan_release(j[v].plan);
        free(c[v].sample_s);
    }
    tn_queue_release(queue);
    tn_buffer_release(buffer);
    free(host);
    return rc;
}
