/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of floats with weights in blocks on AVX2, in the CANONICAL order: 64 columns by one block
 * are decoded to f32 in L1, turned on the way as bytes, and multiplied with all rows of the task.
 */
#include <kernels/common/blocks.h>
#include <kernels/common/simd_avx2.h>
#include <kernels/matmul/matmul_epilogue.h>

enum { COLS = 64, CHUNK = 128, TILE_ROWS = 6, MOST_ROWS = 96, GROUP = 16, AHEAD = 512 };
enum { ROW_BLOCKS, COL_BLOCKS };

static bool block_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return tn_k_matmul_blocks(params, why);
}

static void block_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    int64_t workers = caps->workers ? caps->workers : 1;
    *out = (tn_k_launch){.workers = caps->workers};
    if (p->batch_count == 0 || p->m == 0 || p->n == 0)
        return;
    out->number[ROW_BLOCKS] = (p->m + MOST_ROWS - 1) / MOST_ROWS;
    out->number[COL_BLOCKS] = (p->n + COLS - 1) / COLS;
    out->phases = 1;
    out->tasks[0] = (uint32_t)(p->batch_count * out->number[ROW_BLOCKS] * out->number[COL_BLOCKS]);
    out->worker_bytes = ((2 * MOST_ROWS + TN_K_BLOCK) * COLS + MOST_ROWS * TN_K_BLOCK) * 4;
    double weights = (double)p->batch_count * (double)p->n * (double)p->k;
    double cost = weights * (double)out->number[ROW_BLOCKS] * 0.25;
    cost += 2.0 * weights * (double)p->m / 90.0;
    double parallel = workers < out->tasks[0] ? (double)workers : out->tasks[0];
    out->estimate_ns = (uint64_t)(cost / parallel) + 50 + (parallel > 1 ? 1500 : 0);
}

/* The integers of blocks of two columns, l in the low lane and l + 4 in the high: the first 16, the
 * last 16. */
static inline __attribute__((always_inline)) void
integers(uint32_t layout, const uint8_t *low, const uint8_t *high, __m256i *first, __m256i *last)
{
    int head = layout == TN_LAYOUT_MXFP4 ? 1 : 2;
    __m256i q = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(low + head))),
        _mm_loadu_si128((const __m128i *)(high + head)), 1);
    if (layout == TN_LAYOUT_Q8_0) {
        *first = q;
        *last = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(low + 18))),
            _mm_loadu_si128((const __m128i *)(high + 18)), 1);
        return;
    }
    const __m256i nibble = _mm256_set1_epi8(15);
    *first = _mm256_and_si256(q, nibble);
    *last = _mm256_and_si256(_mm256_srli_epi16(q, 4), nibble);
    if (layout == TN_LAYOUT_Q4_0) {
        *first = _mm256_sub_epi8(*first, _mm256_set1_epi8(8));
        *last = _mm256_sub_epi8(*last, _mm256_set1_epi8(8));
    } else {
        const __m256i twice =
            _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)tn_k_f4_twice));
        *first = _mm256_shuffle_epi8(twice, *first);
        *last = _mm256_shuffle_epi8(twice, *last);
    }
}

/* 16 integers of 8 columns, four at a time in a lane of 32 bits, to 16 rows of f32. A byte on top
 * of its lane is 2^24 times itself: the scale makes up for that where it can without underflow. */
static inline __attribute__((always_inline)) void widen(bool shifted, const __m256i pair[4],
                                                        vf scale, float *to)
{
    const __m256i top = _mm256_set1_epi32((int)0xff000000);
    __m256i a0 = _mm256_unpacklo_epi32(pair[0], pair[1]);
    __m256i a1 = _mm256_unpackhi_epi32(pair[0], pair[1]);
    __m256i b0 = _mm256_unpacklo_epi32(pair[2], pair[3]);
    __m256i b1 = _mm256_unpackhi_epi32(pair[2], pair[3]);
    __m256i four[4] = {_mm256_unpacklo_epi64(a0, b0), _mm256_unpackhi_epi64(a0, b0),
                       _mm256_unpacklo_epi64(a1, b1), _mm256_unpackhi_epi64(a1, b1)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
#pragma GCC unroll 4
        for (int b = 0; b < 4; b++) {
            __m256i x = _mm256_slli_epi32(four[i], 24 - 8 * b);
            x = shifted ? _mm256_srai_epi32(x, 24) : _mm256_and_si256(x, top);
            vf_store(to + (4 * i + b) * COLS, _mm256_mul_ps(_mm256_cvtepi32_ps(x), scale));
        }
    }
}

/* The scales of 8 blocks, an f16's times 2^-24 (exact). */
static inline __attribute__((always_inline)) vf scales(uint32_t layout, const uint8_t *const b[8])
{
    if (layout == TN_LAYOUT_MXFP4) {
        /* e8m0 halved: 2^(e - 128) is (e - 1) as an exponent, subnormal for 0 and 1 */
        uint64_t e = 0;
#pragma GCC unroll 8
        for (int l = 0; l < 8; l++)
            e |= (uint64_t)b[l][0] << 8 * l;
        __m256i x = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)e));
        __m256i one = _mm256_set1_epi32(1), bits = _mm256_slli_epi32(_mm256_sub_epi32(x, one), 23);
        __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), x);
        bits = _mm256_blendv_epi8(small, bits, _mm256_cmpgt_epi32(x, one));
        __m256i nan = _mm256_cmpeq_epi32(x, _mm256_set1_epi32(255));
        bits = _mm256_blendv_epi8(bits, _mm256_set1_epi32(0x7fc00000), nan);
        return _mm256_castsi256_ps(bits);
    }
    uint64_t half[2] = {0, 0};
#pragma GCC unroll 8
    for (int l = 0; l < 8; l++) {
        uint16_t h;
        memcpy(&h, b[l], sizeof h);
        half[l / 4] |= (uint64_t)h << 16 * (l % 4);
    }
    __m128i h = _mm_set_epi64x((long long)half[1], (long long)half[0]);
    return _mm256_mul_ps(_mm256_cvtph_ps(h), vf_set1(0x1p-24f));
}

/* One block of COLS columns as [32][COLS] f32; columns past `cols` repeat the last. */
static inline __attribute__((always_inline)) void decode(uint32_t layout, const uint8_t *b,
                                                         int64_t step, int cols, float *to)
{
    for (int j = 0; j < COLS && j < cols; j += 8) {
        const uint8_t *at[8];
        __m256i first[4], last[4];
#pragma GCC unroll 8
        for (int l = 0; l < 8; l++) {
            at[l] = b + (j + l < cols ? j + l : cols - 1) * step;
            __builtin_prefetch(at[l] + AHEAD);
        }
#pragma GCC unroll 4
        for (int l = 0; l < 4; l++)
            integers(layout, at[l], at[l + 4], &first[l], &last[l]);
        vf scale = scales(layout, at);
        widen(layout == TN_LAYOUT_MXFP4, first, scale, to + j);
        widen(layout == TN_LAYOUT_MXFP4, last, scale, to + 16 * COLS + j);
    }
}

static __attribute__((noinline)) void decode_of(uint32_t layout, const uint8_t *b, int64_t step,
                                                int cols, float *to)
{
    if (layout == TN_LAYOUT_Q4_0)
        decode(TN_LAYOUT_Q4_0, b, step, cols, to);
    else if (layout == TN_LAYOUT_Q8_0)
        decode(TN_LAYOUT_Q8_0, b, step, cols, to);
    else
        decode(TN_LAYOUT_MXFP4, b, step, cols, to);
}

/* s += rows of a x the decoded block, `vecs` vectors of columns. */
static inline __attribute__((always_inline)) void
add_block(int rows, int vecs, const float *a, int64_t a_row, int64_t a_k, const float *w, float *s)
{
    vf sum[TILE_ROWS][8];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++)
            sum[i][v] = vf_load(s + i * COLS + 8 * v);
#pragma GCC unroll 2
    for (int k = 0; k < TN_K_BLOCK; k++) {
        vf x[8];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++)
            x[v] = vf_load(w + k * COLS + 8 * v);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            vf y = vf_set1(a[i * a_row + k * a_k]);
#pragma GCC unroll 8
            for (int v = 0; v < vecs; v++)
                sum[i][v] = vf_fma(y, x[v], sum[i][v]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; v++)
            vf_store(s + i * COLS + 8 * v, sum[i][v]);
}

static __attribute__((noinline)) void add_tile(int rows, const float *a, int64_t a_row, int64_t a_k,
                                               const float *w, float *s)
{
    switch (rows) {
    case 1:
        add_block(1, 8, a, a_row, a_k, w, s);
        break;
#define BLOCK_CASE(n)                                                                              \
    case n:                                                                                        \
        for (int j = 0; j < COLS; j += 16)                                                         \
            add_block(n, 2, a, a_row, a_k, w + j, s + j);                                          \
        break;
        BLOCK_CASE(2)
        BLOCK_CASE(3)
        BLOCK_CASE(4)
        BLOCK_CASE(5)
        BLOCK_CASE(6)
#undef BLOCK_CASE
    default:
        break;
    }
}

static void block_run(const tn_k_launch *launch, const void *params, void *const *operand,
                      void *shared, void *worker_scratch, uint32_t phase, uint32_t first,
                      uint32_t last)
{
    const tn_k_matmul *p = params;
    int64_t row_blocks = launch->number[ROW_BLOCKS], col_blocks = launch->number[COL_BLOCKS];
    int64_t bytes = tn_k_block_bytes(p->b_layout), step = p->b_view.col / TN_K_BLOCK * bytes;
    float *s = worker_scratch, *t = s + MOST_ROWS * COLS, *w = t + MOST_ROWS * COLS,
          *wide = w + TN_K_BLOCK * COLS;
    (void)shared, (void)phase;
    for (uint32_t task = first; task < last; task++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, task / (row_blocks * col_blocks), &at);
        int64_t r = task % row_blocks, j0 = task / row_blocks % col_blocks * COLS;
        int64_t i0 = r * p->m / row_blocks, rows = (r + 1) * p->m / row_blocks - i0;
        int cols = (int)(p->n - j0 < COLS ? p->n - j0 : COLS);
        int64_t a = at.a + i0 * p->a_view.row;
        const uint8_t *b =
            (const uint8_t *)operand[1] + (at.b + j0 * p->b_view.col) / TN_K_BLOCK * bytes;
        size_t room = (size_t)rows * COLS * sizeof *s;
        memset(t, 0, room);
        memset(w, 0, TN_K_BLOCK * COLS * sizeof *w);
        for (int64_t k = 0; k < p->k; k += TN_K_BLOCK, b += bytes) {
            if (k % CHUNK == 0)
                memset(s, 0, room);
            decode_of(p->b_layout, b, step, cols, w);
            const float *from = (const float *)operand[0] + a + k * p->a_view.col;
            int64_t a_row = p->a_view.row, a_k = p->a_view.col;
            if (p->a_type != TN_F32) {
                for (int64_t i = 0; i < rows; i++)
                    tn_k_widen_row(p->a_type, operand[0], a + i * a_row + k * a_k, a_k, TN_K_BLOCK,
                                   wide + i * TN_K_BLOCK);
                from = wide;
                a_row = TN_K_BLOCK;
                a_k = 1;
            }
            for (int64_t i = 0; i < rows; i += TILE_ROWS)
                add_tile((int)(rows - i < TILE_ROWS ? rows - i : TILE_ROWS), from + i * a_row,
                         a_row, a_k, w, s + i * COLS);
            if ((k + TN_K_BLOCK) % CHUNK == 0 || k + TN_K_BLOCK == p->k)
                for (int64_t i = 0; i < rows * COLS; i++)
                    t[i] = t[i] + s[i];
        }
        for (int64_t i = 0; i < rows; i++)
            for (int j = 0; j < cols; j += GROUP)
                matmul_finish(p, &at, operand, i0 + i, j0 + j, t + i * COLS + j,
                              cols - j < GROUP ? cols - j : GROUP, GROUP);
    }
}

extern const tn_k_variant tn_k_matmul_block_avx2;
const tn_k_variant tn_k_matmul_block_avx2 = {
    .name = "matmul_block_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = block_accepts,
    .plan = block_plan,
    .run = block_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
