/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix array register by register, one clock at a time: the independent witness of the model's
 * values and cycles. Weight-stationary (and input-stationary, which is that with the operands
 * exchanged), the same with a second plane of weights, and output-stationary, with stalls of the
 * stream and a stuck bit. */
#ifndef TN_TESTS_SUPPORT_ARRAY_RTL_H
#define TN_TESTS_SUPPORT_ARRAY_RTL_H

#include "test.h"

enum { RTL_MOST = 16 };

typedef struct rtl_array {
    uint32_t rows, cols;
    float weight[RTL_MOST][RTL_MOST], x[RTL_MOST][RTL_MOST], y[RTL_MOST][RTL_MOST];
    float sum[RTL_MOST][RTL_MOST];
    uint64_t clocks, stalls;
    uint64_t state;           /* of the generator that stalls the stream; 0: never */
    int stuck_row, stuck_col; /* -1: none */
    uint32_t stuck_bit, stuck_value;
} rtl_array;

static inline float rtl_product(const rtl_array *a, uint32_t r, uint32_t c, float x, float w,
                                bool *plain)
{
    uint32_t u;
    float p = x * w;
    *plain = (int)r != a->stuck_row || (int)c != a->stuck_col;
    if (*plain)
        return p;
    memcpy(&u, &p, sizeof u);
    u = a->stuck_value ? u | 1u << a->stuck_bit : u & ~(1u << a->stuck_bit);
    memcpy(&p, &u, sizeof p);
    return p;
}

/* One clock in which nothing moves, now and then. */
static inline void rtl_maybe_stall(rtl_array *a)
{
    while (a->state != 0 && tn_test_random(&a->state) % 5 == 0) {
        a->clocks++;
        a->stalls++;
    }
}

/* A fold of t rows (row i: in[i * ldi + r]) through k by n weights (w[r * ldw + c]); out[i * ldo +
 * c] is written or added to. Ends with the clock in which the last sum has left the last column. */
static inline void rtl_fold(rtl_array *a, const float *in, uint32_t ldi, uint32_t t, const float *w,
                            uint32_t ldw, uint32_t k, uint32_t n, float *out, uint32_t ldo,
                            bool add)
{
    const uint32_t R = a->rows, C = a->cols;
    memset(a->weight, 0, sizeof a->weight);
    for (uint32_t i = 0; i < R; i++) { /* the last row enters first and is shifted down */
        rtl_maybe_stall(a);
        for (uint32_t r = R; r-- > 1;)
            memcpy(a->weight[r], a->weight[r - 1], sizeof a->weight[0]);
        for (uint32_t c = 0; c < C; c++)
            a->weight[0][c] = R - 1 - i < k && c < n ? w[(R - 1 - i) * ldw + c] : 0.0f;
        a->clocks++;
    }
    memset(a->x, 0, sizeof a->x);
    memset(a->sum, 0, sizeof a->sum);
    uint32_t left = t * C;
    for (uint32_t clock = 0; left != 0; clock++) {
        rtl_maybe_stall(a);
        float x[RTL_MOST][RTL_MOST], sum[RTL_MOST][RTL_MOST];
        for (uint32_t r = 0; r < R; r++)
            for (uint32_t c = 0; c < C; c++) {
                bool here = clock >= r && clock - r < t && r < k, plain;
                float from = c > 0 ? a->x[r][c - 1] : here ? in[(clock - r) * ldi + r] : 0.0f;
                float above = r > 0 ? a->sum[r - 1][c] : 0.0f;
                float p = rtl_product(a, r, c, from, a->weight[r][c], &plain);
                x[r][c] = from;
                sum[r][c] = !plain ? above + p : __builtin_fmaf(from, a->weight[r][c], above);
            }
        memcpy(a->x, x, sizeof x);
        memcpy(a->sum, sum, sizeof sum);
        a->clocks++;
        for (uint32_t c = 0; c < C; c++) { /* row i leaves column c after i + R - 1 + c */
            if (clock < R - 1 + c || clock - (R - 1 + c) >= t)
                continue;
            uint32_t i = clock - (R - 1 + c);
            if (c < n)
                out[i * ldo + c] = (add ? out[i * ldo + c] : 0.0f) + a->sum[R - 1][c];
            left--;
        }
    }
}

/* m by k times k by n on the array, all folds, weight-stationary. */
static inline void rtl_ws(rtl_array *a, const float *x, const float *w, uint32_t m, uint32_t n,
                          uint32_t k, float *out)
{
    for (uint32_t c = 0; c < n; c += a->cols)
        for (uint32_t r = 0; r < k; r += a->rows)
            rtl_fold(a, x + r, k, m, w + r * n + c, n, k - r < a->rows ? k - r : a->rows,
                     n - c < a->cols ? n - c : a->cols, out + c, n, r != 0);
}

/* Output-stationary: sums stay, both operands stream, then the sums are shifted out at the bottom.
 */
static inline void rtl_os(rtl_array *a, const float *x, const float *w, uint32_t m, uint32_t n,
                          uint32_t k, float *out)
{
    const uint32_t R = a->rows, C = a->cols;
    for (uint32_t r0 = 0; r0 < m; r0 += R)
        for (uint32_t c0 = 0; c0 < n; c0 += C) {
            memset(a->x, 0, sizeof a->x);
            memset(a->y, 0, sizeof a->y);
            memset(a->sum, 0, sizeof a->sum);
            for (uint32_t clock = 0; clock < k + R + C - 2; clock++) {
                float nx[RTL_MOST][RTL_MOST], ny[RTL_MOST][RTL_MOST];
                rtl_maybe_stall(a);
                for (uint32_t r = 0; r < R; r++)
                    for (uint32_t c = 0; c < C; c++) {
                        bool hx = clock >= r && clock - r < k && r0 + r < m;
                        bool hy = clock >= c && clock - c < k && c0 + c < n;
                        nx[r][c] = c > 0 ? a->x[r][c - 1] : hx ? x[(r0 + r) * k + clock - r] : 0.0f;
                        ny[r][c] = r > 0 ? a->y[r - 1][c] : hy ? w[(clock - c) * n + c0 + c] : 0.0f;
                        a->sum[r][c] = __builtin_fmaf(nx[r][c], ny[r][c], a->sum[r][c]);
                    }
                memcpy(a->x, nx, sizeof nx);
                memcpy(a->y, ny, sizeof ny);
                a->clocks++;
            }
            for (uint32_t i = 0; i < R; i++) { /* the bottom row first */
                for (uint32_t c = 0; c < C; c++)
                    if (r0 + R - 1 - i < m && c0 + c < n)
                        out[(r0 + R - 1 - i) * n + c0 + c] = a->sum[R - 1][c];
                for (uint32_t r = R; r-- > 1;)
                    memcpy(a->sum[r], a->sum[r - 1], sizeof a->sum[0]);
                a->clocks++;
            }
        }
}

/* ---- with a second plane of weights, loaded while the first is in use ---- */

/* What a register between two elements holds: a number of row `row` of tile `tile`; row -1:
 * nothing. */
typedef struct rtl_token {
    float value;
    int64_t row;
    uint32_t tile;
} rtl_token;

/* A weight on its way down its column: how many rows it still has to go. */
typedef struct rtl_weight {
    float value;
    uint32_t left;
} rtl_weight;

/* The work of one tile and when its load and its stream began; UINT64_MAX: not yet. */
typedef struct rtl_tile {
    uint32_t first_k, k, first_n, n;
    uint64_t load, stream;
} rtl_tile;

typedef struct rtl_planes {
    rtl_weight shadow[RTL_MOST][RTL_MOST];
    rtl_token x[RTL_MOST][RTL_MOST];
} rtl_planes;

/* One clock of the loaders: column c is c clocks behind column 0, as its inputs are. */
static inline void rtl_load(const rtl_array *a, rtl_planes *p, const rtl_tile *tile, uint32_t count,
                            uint64_t clock, const float *w, uint32_t ldw)
{
    for (uint32_t c = 0; c < a->cols; c++) {
        for (uint32_t r = a->rows; r-- > 1;)
            if (p->shadow[r - 1][c].left != 0) {
                p->shadow[r][c] =
                    (rtl_weight){p->shadow[r - 1][c].value, p->shadow[r - 1][c].left - 1};
                p->shadow[r - 1][c].left = 0;
            }
        for (uint32_t t = 0; t < count; t++) {
            const rtl_tile *x = &tile[t];
            if (x->load == UINT64_MAX || clock < x->load + c || clock - x->load - c >= a->rows)
                continue;
            uint32_t r = a->rows - 1 - (uint32_t)(clock - x->load - c);
            bool there = r < x->k && c < x->n;
            p->shadow[0][c] =
                (rtl_weight){there ? w[(x->first_k + r) * ldw + x->first_n + c] : 0.0f, r};
        }
    }
}

/* m by k times k by n, tile after tile: while one streams the next is loaded, and each element
 * takes its new weight when the first row of the new tile reaches it. */
static inline void rtl_overlap(rtl_array *a, const float *x, const float *w, uint32_t m, uint32_t n,
                               uint32_t k, float *out)
{
    enum { TILES = 4096 };
    static rtl_tile tile[TILES];
    rtl_planes p = {0};
    const uint32_t R = a->rows, C = a->cols;
    uint32_t count = 0, streaming = 0;
    uint64_t left;
    for (uint32_t c = 0; c < n; c += C)
        for (uint32_t r = 0; r < k; r += R) {
            TN_REQUIRE(count < TILES);
            tile[count++] = (rtl_tile){
                r, k - r < R ? k - r : R, c, n - c < C ? n - c : C, UINT64_MAX, UINT64_MAX};
        }
    left = (uint64_t)count * m * C;
    tile[0].load = 0;
    memset(a->weight, 0, sizeof a->weight);
    memset(a->sum, 0, sizeof a->sum);
    for (uint32_t r = 0; r < R; r++)
        for (uint32_t c = 0; c < C; c++)
            p.x[r][c].row = -1;
    for (uint64_t clock = 0; left != 0; clock++) {
        rtl_token token[RTL_MOST][RTL_MOST];
        float sum[RTL_MOST][RTL_MOST];
        rtl_maybe_stall(a);
        if (streaming < count && clock >= tile[streaming].load + R &&
            (streaming == 0 || clock >= tile[streaming - 1].stream + m)) {
            tile[streaming].stream = clock;
            if (++streaming < count)
                tile[streaming].load = clock;
        }
        for (uint32_t r = 0; r < R; r++)
            for (uint32_t c = 0; c < C; c++) {
                rtl_token from = c > 0 ? p.x[r][c - 1] : (rtl_token){.row = -1};
                for (uint32_t t = 0; c == 0 && t < streaming; t++) /* row r is r clocks behind */
                    if (clock >= tile[t].stream + r && clock - tile[t].stream - r < m) {
                        from.row = (int64_t)(clock - tile[t].stream - r);
                        from.tile = t;
                        from.value =
                            r < tile[t].k ? x[(uint64_t)from.row * k + tile[t].first_k + r] : 0.0f;
                    }
                if (from.row == 0)
                    a->weight[r][c] = p.shadow[r][c].value;
                bool plain;
                float above = r > 0 ? a->sum[r - 1][c] : 0.0f, in = from.row < 0 ? 0 : from.value;
                float y = rtl_product(a, r, c, in, a->weight[r][c], &plain);
                sum[r][c] = !plain ? above + y : __builtin_fmaf(in, a->weight[r][c], above);
                token[r][c] = from;
            }
        rtl_load(a, &p, tile, count, clock, w, n);
        memcpy(p.x, token, sizeof token);
        memcpy(a->sum, sum, sizeof sum);
        a->clocks++;
        for (uint32_t c = 0; c < C; c++) {
            const rtl_token *at = &token[R - 1][c];
            if (at->row < 0)
                continue;
            const rtl_tile *t = &tile[at->tile];
            float *to = &out[(uint64_t)at->row * n + t->first_n + c];
            if (c < t->n)
                *to = (t->first_k != 0 ? *to : 0.0f) + a->sum[R - 1][c];
            left--;
        }
    }
}

#endif
