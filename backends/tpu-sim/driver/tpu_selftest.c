/* SPDX-License-Identifier: Apache-2.0 */
/* A test of the array by itself: walking patterns through every element, each result known. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "tpu_driver.h"

#include <string.h>

/* Patterns of bytes: (activation, weight) pairs whose product has every bit of its word once 0 and
 * once 1, with the sign's extension. */
static const struct {
    int8_t a, w;
} bytes[] = {{0, 0}, {-1, 1}, {127, 127}, {-128, -128}, {85, 1}, {-86, 1}, {1, 64}, {-128, 127}};
/* And of bf16: products over many exponents and mantissas, of both signs. */
static const struct {
    uint16_t a, w;
} halves[] = {{0, 0},           {0x3f80, 0x3f80}, {0xbfff, 0x3fff}, {0x3faa, 0x3fd5},
              {0x2a80, 0x2a80}, {0xd580, 0x4aff}, {0x1155, 0x3fab}, {0x7f00, 0x3fd6}};
enum { PATTERNS = 8 };

static float half(uint16_t bits)
{
    uint32_t u = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The physical column of a usable one. */
static uint32_t physical(tpu_chip *c, uint32_t logical)
{
    for (uint32_t column = 0;; column++) {
        c->bus.write32(c->bus.self, TPU_FUSE_SELECT, column / 32);
        uint32_t dead = c->bus.read32(c->bus.self, TPU_FUSE_MASK);
        if ((dead >> column % 32 & 1u) == 0 && logical-- == 0)
            return column;
    }
}

typedef struct room {
    unsigned char *a, *w, *out;
    uint64_t a_iova, w_iova, out_iova;
} room;

/* One row of the pattern through weights of the pattern: element (k, n) alone is not 0 in row k. */
static tpu_result pass(tpu_chip *c, const room *m, uint32_t type, uint32_t size, uint32_t array)
{
    const tn_k_sys_caps *k = &c->caps;
    uint32_t wide = (k->cols * size + k->row_bytes - 1) / k->row_bytes;
    uint32_t high = (k->rows * size + k->row_bytes - 1) / k->row_bytes;
    const tn_k_sys_packet list[] = {
        {.op = TN_K_SYS_LD,
         .iova = m->w_iova,
         .a = 0,
         .b = wide,
         .n0 = k->rows,
         .n1 = k->cols * size,
         .n2 = 1,
         .s0 = (int32_t)(k->cols * size),
         .wait_sem = TN_K_SYS_NONE,
         .sig_sem = 0,
         .sig_val = 1},
        {.op = TN_K_SYS_LDW,
         .a = 0,
         .b = 0,
         .d = array,
         .n0 = k->rows,
         .n1 = k->cols,
         .s0 = (int32_t)wide,
         .p1 = type,
         .wait_sem = 0,
         .wait_val = 1,
         .sig_sem = 1,
         .sig_val = 1},
        {.op = TN_K_SYS_LD,
         .iova = m->a_iova,
         .a = 0,
         .b = high,
         .n0 = k->rows,
         .n1 = k->rows * size,
         .n2 = 1,
         .s0 = (int32_t)(k->rows * size),
         .wait_sem = 1,
         .wait_val = 1,
         .sig_sem = 2,
         .sig_val = 1},
        {.op = TN_K_SYS_MM,
         .flags = TN_K_SYS_ZERO,
         .a = 0,
         .b = 0,
         .c = TN_K_SYS_ACC,
         .d = array,
         .n0 = k->rows,
         .s0 = (int32_t)high,
         .p1 = type,
         .wait_sem = 2,
         .wait_val = 1,
         .sig_sem = 3,
         .sig_val = 1},
        {.op = TN_K_SYS_ST,
         .iova = m->out_iova,
         .a = TN_K_SYS_ACC,
         .n0 = k->rows,
         .n1 = k->cols * 4,
         .n2 = 1,
         .s0 = (int32_t)(k->cols * 4),
         .wait_sem = 3,
         .wait_val = 1,
         .sig_sem = TN_K_SYS_NONE},
    };
    tpu_result r = TPU_OK;
    for (size_t i = 0; r == TPU_OK && i < sizeof list / sizeof list[0]; i++)
        r = tn__tpu_push(c, &list[i]);
    return r == TPU_OK ? tn__tpu_finish(c) : r;
}

static void prepare(const tpu_chip *c, const room *m, uint32_t size, uint32_t pattern)
{
    const tn_k_sys_caps *k = &c->caps;
    memset(m->a, 0, (size_t)k->rows * k->rows * size);
    for (uint32_t r = 0; r < k->rows; r++) {
        uint32_t at = (pattern + r) % PATTERNS; /* neighbours differ */
        void *a = m->a + ((size_t)r * k->rows + r) * size;
        memcpy(a, size == 1 ? (const void *)&bytes[at].a : &halves[at].a, size);
        for (uint32_t n = 0; n < k->cols; n++)
            memcpy(m->w + ((size_t)r * k->cols + n) * size,
                   size == 1 ? (const void *)&bytes[at].w : &halves[at].w, size);
    }
}

/* Marks the columns whose sums are not the one product that they are. */
static void judge(const tpu_chip *c, const room *m, uint32_t size, uint32_t pattern, uint64_t *bad)
{
    const tn_k_sys_caps *k = &c->caps;
    for (uint32_t r = 0; r < k->rows; r++) {
        uint32_t at = (pattern + r) % PATTERNS, want, got;
        float x = half(halves[at].a) * half(halves[at].w) + 0.0f;
        int32_t y = bytes[at].a * bytes[at].w;
        memcpy(&want, size == 1 ? (const void *)&y : &x, 4);
        for (uint32_t n = 0; n < k->cols; n++) {
            memcpy(&got, m->out + ((size_t)r * k->cols + n) * 4, 4);
            if (got != want)
                bad[n / 64] |= UINT64_C(1) << n % 64;
        }
    }
}

uint32_t tn__tpu_test_columns(tpu_chip *c, uint32_t *out, uint32_t most)
{
    const tn_k_sys_caps *k = &c->caps;
    bool whole = (k->array_types >> TN_S8 & 1u) != 0;
    uint32_t type = whole ? TN_S8 : TN_BF16, size = whole ? 1 : 2, count = 0;
    uint64_t bad[16] = {0}, told[16] = {0}; /* usable columns; physical ones */
    room m = {0};
    tpu_result r = TPU_OK;
    if ((k->array_types >> type & 1u) == 0 || k->cols > 1024)
        return UINT32_MAX;
    m.a = c->bus.dma_alloc(c->bus.self, (size_t)k->rows * k->rows * size, 64, &m.a_iova);
    m.w = c->bus.dma_alloc(c->bus.self, (size_t)k->rows * k->cols * size, 64, &m.w_iova);
    m.out = c->bus.dma_alloc(c->bus.self, (size_t)k->rows * k->cols * 4, 64, &m.out_iova);
    if (m.a == NULL || m.w == NULL || m.out == NULL)
        r = TPU_NO_MEMORY;
    for (uint32_t i = 0; r == TPU_OK && i < k->arrays * PATTERNS; i++) {
        prepare(c, &m, size, i % PATTERNS);
        r = pass(c, &m, type, size, i / PATTERNS);
        if (r == TPU_FAILED && c->report.code == TPU_ERR_COMPARE) {
            /* The chip compares by itself and says which column it is; its sums are not to be had.
             */
            told[c->report.info / 64 % 16] |= UINT64_C(1) << c->report.info % 64;
            r = tn__tpu_reset(c);
        } else if (r == TPU_OK) {
            judge(c, &m, size, i % PATTERNS, bad);
        }
    }
    for (uint32_t n = 0; n < k->cols; n++)
        if ((bad[n / 64] >> n % 64 & 1u) != 0) {
            uint32_t column = physical(c, n);
            told[column / 64 % 16] |= UINT64_C(1) << column % 64;
        }
    for (uint32_t n = 0; r == TPU_OK && n < 1024; n++)
        if ((told[n / 64] >> n % 64 & 1u) != 0 && count++ < most)
            out[count - 1] = n;
    c->bus.dma_free(c->bus.self, m.a);
    c->bus.dma_free(c->bus.self, m.w);
    c->bus.dma_free(c->bus.self, m.out);
    return r == TPU_OK ? count : UINT32_MAX;
}
