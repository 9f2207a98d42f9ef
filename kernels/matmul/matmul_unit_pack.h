/* SPDX-License-Identifier: Apache-2.0 */
/* Packing for the tile cores of bytes and of pairs of bf16: rows of a as units, columns of b as
 * panels. VI_DEPTH is the includer's: elements of a unit that are bytes, bytes of one that is a
 * pair. Bytes become s8 on the way: a u8 minus 128, which flips its top bit; units of 16 bits hold
 * the u8 of a row as they are. */
#ifndef TN_KERNELS_MATMUL_UNIT_PACK_H
#define TN_KERNELS_MATMUL_UNIT_PACK_H

#include <kernels/common/simd_quarters.h>
#include <kernels/common/simd_transpose8.h>
#include <stdint.h>
#include <string.h>

typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int16_t i16x16 __attribute__((vector_size(32)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint8_t u8x32 __attribute__((vector_size(32)));

/* The next VI_DEPTH values of a row as one 32-bit unit of a. */
static inline uint32_t unit_of(const uint8_t *x, int64_t step, int64_t left, bool u8)
{
    uint32_t u = 0;
    for (int d = 0; d < VI_DEPTH; d++) {
        uint8_t v = d < left ? x[d * step] : 0;
        if (VI_DEPTH == 2)
            u |= (uint32_t)(uint16_t)(u8 ? v : (int8_t)v) << 16 * d;
        else /* what lies past the end meets zeros of b */
            u |= (uint32_t)(uint8_t)((u8 ? v ^ 0x80 : v) + VI_A_OFFSET) << 8 * d;
    }
    return u;
}

/* Eight units of a row whose k are contiguous. */
static inline void units_of(const uint8_t *x, bool u8, tn_k_f8 *out)
{
    if (VI_DEPTH == 2) {
        i8x16 bytes;
        memcpy(&bytes, x, sizeof bytes);
        i16x16 wide = u8 ? (i16x16) __builtin_convertvector((u8x16)bytes, u16x16)
                         : __builtin_convertvector(bytes, i16x16);
        memcpy(out, &wide, sizeof *out);
    } else {
        u8x32 bytes;
        memcpy(&bytes, x, sizeof bytes);
        bytes ^= (uint8_t)((u8 ? 0x80 : 0) ^ VI_A_OFFSET);
        memcpy(out, &bytes, sizeof *out);
    }
}

#ifdef __AVX512F__
/* Four units of up to 16 rows at a time. Returns how far along k it came. */
static inline __attribute__((always_inline)) int64_t pack_a_quarters(const uint8_t *a,
                                                                     int64_t a_row, int64_t k,
                                                                     int rows, int tile_rows,
                                                                     uint8_t flip, uint32_t *to)
{
    const uint8_t *row[16];
    const __m512i flips = _mm512_set1_epi8((char)flip);
    __mmask16 stored = (__mmask16)((1u << tile_rows) - 1);
    for (int i = 0; i < tile_rows; i++)
        row[i] = a + (i < rows ? i : rows - 1) * a_row;
    int64_t at = 0;
    for (; at + 16 <= k; at += 16, to += 4 * tile_rows) {
        __m512i r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            r[i] = _mm512_xor_si512(tn_k_quarters(row + i, tile_rows - i, at), flips);
        tn_k_turn_quarters(r);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            _mm512_mask_storeu_epi32(to + i * tile_rows, stored, r[i]);
    }
    return at;
}
#endif

/* One row, its units side by side. */
static inline void pack_a_row(const uint8_t *a, int64_t a_k, int64_t k, bool u8, uint32_t *to)
{
    const uint8_t flip = (uint8_t)((u8 ? 0x80 : 0) ^ VI_A_OFFSET);
    uint8_t *bytes = (uint8_t *)to;
    int64_t at = 0;
    for (; VI_DEPTH == 4 && a_k == 1 && at < k / 4 * 4; at++)
        bytes[at] = a[at] ^ flip;
    for (; at < k; at += VI_DEPTH)
        to[at / VI_DEPTH] = unit_of(a + at * a_k, a_k, k - at, u8);
}

/* Units [depth][tile rows]; what lies above `rows` is not used. */
static inline __attribute__((always_inline)) void pack_a(const uint8_t *a, int64_t a_row,
                                                         int64_t a_k, int64_t k, int rows,
                                                         int tile_rows, bool u8, uint32_t *to)
{
    enum { STEP = 8 * VI_DEPTH };
    int64_t at = 0;
#ifdef __AVX512F__
    if (VI_DEPTH == 4 && a_k == 1)
        at = pack_a_quarters(a, a_row, k, rows, tile_rows, (uint8_t)((u8 ? 0x80 : 0) ^ VI_A_OFFSET),
                             to);
#endif
    for (; a_k == 1 && at + STEP <= k; at += STEP) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            tn_k_f8 r[8];
            if (8 * h >= tile_rows)
                break;
#pragma GCC unroll 8
            for (int l = 0; l < 8; l++)
                units_of(a + (8 * h + l < rows ? 8 * h + l : rows - 1) * a_row + at, u8, &r[l]);
            tn_k_transpose8(r);
            /* constant numbers of bytes */
#pragma GCC unroll 8
            for (int l = 0; l < 8; l++)
                memcpy(to + (at / VI_DEPTH + l) * tile_rows + 8 * h, &r[l],
                       8 * h + 8 <= tile_rows ? sizeof r[l]
                                              : (size_t)(tile_rows - 8 * h) * sizeof *to);
        }
    }
    for (; at < k; at += VI_DEPTH)
        for (int i = 0; i < rows; i++)
            to[at / VI_DEPTH * tile_rows + i] = unit_of(a + i * a_row + at * a_k, a_k, k - at, u8);
}

static uint32_t sum_of_row(const uint8_t *a, int64_t a_k, int64_t k, uint8_t flip)
{
    uint32_t sum = 0;
    if (a_k == 1)
        for (int64_t i = 0; i < k; i++)
            sum += (uint32_t)(int32_t)(int8_t)(a[i] ^ flip);
    else
        for (int64_t i = 0; i < k; i++)
            sum += (uint32_t)(int32_t)(int8_t)(a[i * a_k] ^ flip);
    return sum;
}

/* A panel: [depth][columns][VI_DEPTH] bytes; columns past `cols` and k past the end are 0. */
static void pack_b_plain(const uint8_t *b, int64_t b_k, int64_t b_col, int64_t k, int64_t from,
                         int cols, int width, uint8_t flip, int8_t *to)
{
    for (int64_t i = from; i < k; i += VI_DEPTH)
        for (int j = 0; j < width; j++)
            for (int d = 0; d < VI_DEPTH; d++)
                to[(i * width) + j * VI_DEPTH + d] =
                    j < cols && i + d < k ? (int8_t)(b[(i + d) * b_k + j * b_col] ^ flip) : 0;
}

/* Rows of b side by side, their bytes interleaved; whole panels, `step` bytes apart: longer reads
 * of each row, which is asked for well ahead. */
static void pack_b_rows(const uint8_t *b, int64_t b_k, int64_t k, int width, int panels,
                        int64_t step, uint8_t flip, int8_t *to)
{
    int64_t i = 0;
    for (; i + VI_DEPTH <= k; i += VI_DEPTH) {
        const uint8_t *row = b + i * b_k;
        for (int d = 0; d < VI_DEPTH; d++)
            __builtin_prefetch(row + (i + d + 16 < k ? d + 16 : 0) * b_k);
        for (int j = 0; j < width * panels; j += 16) {
            i8x16 r[4], lo[2], hi[2];
            int8_t *at = to + j / width * step + i * width + j % width * VI_DEPTH;
#pragma GCC unroll 4
            for (int d = 0; d < VI_DEPTH; d++) {
                memcpy(&r[d], row + d * b_k + j, sizeof r[d]);
                r[d] ^= (int8_t)flip;
            }
#pragma GCC unroll 2
            for (int d = 0; d < VI_DEPTH / 2; d++) {
                lo[d] = __builtin_shufflevector(r[2 * d], r[2 * d + 1], 0, 16, 1, 17, 2, 18, 3, 19,
                                                4, 20, 5, 21, 6, 22, 7, 23);
                hi[d] = __builtin_shufflevector(r[2 * d], r[2 * d + 1], 8, 24, 9, 25, 10, 26, 11,
                                                27, 12, 28, 13, 29, 14, 30, 15, 31);
            }
            if (VI_DEPTH == 2) {
                memcpy(at, &lo[0], 16);
                memcpy(at + 16, &hi[0], 16);
                continue;
            }
            i8x16 four[4] = {
                __builtin_shufflevector(lo[0], lo[1], 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6,
                                        7, 22, 23),
                __builtin_shufflevector(lo[0], lo[1], 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29,
                                        14, 15, 30, 31),
                __builtin_shufflevector(hi[0], hi[1], 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6,
                                        7, 22, 23),
                __builtin_shufflevector(hi[0], hi[1], 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29,
                                        14, 15, 30, 31),
            };
            memcpy(at, four, sizeof four);
        }
    }
    for (int q = 0; q < panels; q++)
        pack_b_plain(b + q * width, b_k, 1, k, i, width, width, flip, to + q * step);
}

/* Columns of b that are contiguous along k: 8 columns by 32 k, turned four bytes at a time. */
static void pack_b_turned(const uint8_t *b, int64_t b_col, int64_t k, int cols, int width,
                          uint8_t flip, int8_t *to)
{
    typedef int16_t half __attribute__((vector_size(16)));
    int64_t i = 0;
    for (; i + 32 <= k; i += 32) {
        for (int j = 0; j < width; j += 8) {
            tn_k_f8 r[8];
#pragma GCC unroll 8
            for (int l = 0; l < 8; l++) {
                u8x32 bytes = {0};
                if (j + l < cols) {
                    memcpy(&bytes, b + (j + l) * b_col + i, sizeof bytes);
                    bytes ^= flip;
                }
                memcpy(&r[l], &bytes, sizeof r[l]);
            }
            tn_k_transpose8(r);
#pragma GCC unroll 8
            for (int l = 0; l < 8; l++) {
                int8_t *at = to + (i + 4 * l) * width + j * VI_DEPTH;
                if (VI_DEPTH == 4) {
                    memcpy(at, &r[l], sizeof r[l]);
                    continue;
                }
                i16x16 v;
                memcpy(&v, &r[l], sizeof v);
                half even = __builtin_shufflevector(v, v, 0, 2, 4, 6, 8, 10, 12, 14);
                half odd = __builtin_shufflevector(v, v, 1, 3, 5, 7, 9, 11, 13, 15);
                memcpy(at, &even, sizeof even);
                memcpy(at + 2 * width, &odd, sizeof odd);
            }
        }
    }
    pack_b_plain(b, 1, b_col, k, i, cols, width, flip, to);
}

static void pack_b(const uint8_t *b, int64_t b_k, int64_t b_col, int64_t k, int cols, int width,
                   uint8_t flip, int8_t *to)
{
    if (b_k == 1)
        pack_b_turned(b, b_col, k, cols, width, flip, to);
    else
        pack_b_plain(b, b_k, b_col, k, 0, cols, width, flip, to);
}

/* The same of bf16, where a unit is a pair. What is contiguous along k is bytes to the functions
 * above. */
static inline void pack_a_pairs(const uint16_t *a, int64_t a_row, int64_t a_k, int64_t k, int rows,
                                int tile_rows, uint32_t *to)
{
    if (a_k == 1 && tile_rows == 1) {
        pack_a_row((const uint8_t *)a, 1, 2 * k, false, to);
        return;
    }
    if (a_k == 1) {
        pack_a((const uint8_t *)a, 2 * a_row, 1, 2 * k, rows, tile_rows, false, to);
        return;
    }
    for (int64_t i = 0; i < k; i += 2)
        for (int r = 0; r < rows; r++) {
            uint32_t second = i + 1 < k ? a[r * a_row + (i + 1) * a_k] : 0;
            to[i / 2 * tile_rows + r] = a[r * a_row + i * a_k] | second << 16;
        }
}

static inline void pack_b_pairs_plain(const uint16_t *b, int64_t b_k, int64_t b_col, int64_t k,
                                      int64_t from, int cols, int width, int8_t *to)
{
    for (int64_t i = from; i < k; i += 2)
        for (int j = 0; j < width; j++) {
            uint16_t pair[2] = {0, 0};
            for (int d = 0; d < 2 && j < cols && i + d < k; d++)
                pair[d] = b[(i + d) * b_k + j * b_col];
            memcpy(to + i * 2 * width + 4 * j, pair, sizeof pair);
        }
}

#ifdef __AVX512F__
/* 32 columns of four rows as units of bytes. */
static inline __attribute__((always_inline)) void pack_b_bytes(const uint8_t *b, int64_t row_bytes,
                                                               __m512i flip, int8_t *to)
{
    /* the same four columns of each row, then the four bytes of each column */
    const __m512i words =
        _mm512_set_epi32(27, 19, 11, 3, 26, 18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
    const __m512i bytes =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i r[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const uint8_t *from = b + 2 * i * row_bytes;
        __m256i first = _mm256_loadu_si256((const __m256i *)from);
        __m256i second = _mm256_loadu_si256((const __m256i *)(from + row_bytes));
        r[i] = _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1), flip);
    }
    __m512i left = _mm512_permutex2var_epi32(r[0], words, r[1]);
    __m512i right =
        _mm512_permutex2var_epi32(r[0], _mm512_add_epi32(words, _mm512_set1_epi32(4)), r[1]);
    _mm512_storeu_si512(to, _mm512_shuffle_epi8(left, bytes));
    _mm512_storeu_si512(to + 64, _mm512_shuffle_epi8(right, bytes));
}

/* Sixteen columns of two rows as pairs of 16 bits. */
static inline __attribute__((always_inline)) void pack_b_halves(const uint8_t *b, int64_t row_bytes,
                                                                int8_t *to)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)b));
    __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(b + row_bytes)));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

/* Whole panels of 32 columns, `step` bytes apart, of rows side by side, where a unit is 4 bytes of
 * neighbours in a column. Returns how far along k it came. */
static inline __attribute__((always_inline)) int64_t
pack_b_units(const uint8_t *b, int64_t row_bytes, int elem_bytes, int64_t k, int panels,
             int64_t step, uint8_t flip, int8_t *to)
{
    const int depth = 4 / elem_bytes;
    const __m512i flips = _mm512_set1_epi8((char)flip);
    int64_t i = 0;
    for (; i + depth <= k; i += depth) {
        const uint8_t *row = b + i * row_bytes;
        int64_t ahead = i + 16 + depth <= k ? 16 * row_bytes : 0;
        for (int q = 0; q < panels; q++, row += 32 * elem_bytes) {
            int8_t *at = to + q * step + i * 32 * elem_bytes;
            for (int d = 0; q * elem_bytes % 2 == 0 && d < depth; d++)
                __builtin_prefetch(row + d * row_bytes + ahead);
            if (elem_bytes == 1) {
                pack_b_bytes(row, row_bytes, flips, at);
            } else {
                pack_b_halves(row, row_bytes, at);
                pack_b_halves(row + 32, row_bytes, at + 64);
            }
        }
    }
    return i;
}
#endif

/* Whole panels of b, whose columns are neighbours. */
static inline void pack_b_group(const uint8_t *b, int64_t b_k, int elem_bytes, int64_t k, int width,
                                int panels, int64_t step, uint8_t flip, int8_t *to)
{
#ifdef __AVX512F__
    if (VI_DEPTH == 4 && width == 32) {
        int64_t i = pack_b_units(b, b_k * elem_bytes, elem_bytes, k, panels, step, flip, to);
        for (int q = 0; q < panels && i < k; q++, to += step) {
            const uint8_t *from = b + q * width * elem_bytes;
            if (elem_bytes == 2)
                pack_b_pairs_plain((const uint16_t *)from, b_k, 1, k, i, width, width, to);
            else
                pack_b_plain(from, b_k, 1, k, i, width, width, flip, to);
        }
        return;
    }
#endif
    (void)elem_bytes; /* of bytes alone */
    pack_b_rows(b, b_k, k, width, panels, step, flip, to);
}

static inline void pack_b_pairs(const uint16_t *b, int64_t b_k, int64_t b_col, int64_t k, int cols,
                                int width, int8_t *to)
{
    if (b_k == 1)
        pack_b_turned((const uint8_t *)b, 2 * b_col, 2 * k, cols, width, 0, to);
    else
        pack_b_pairs_plain(b, b_k, b_col, k, 0, cols, width, to);
}

/* Rows of a, `step` bytes apart and zeros at their ends. */
static inline void pack_a_rows(const char *a, int64_t row_bytes, int64_t a_k, int64_t k,
                               int elem_bytes, int rows, int64_t step, char *to)
{
    for (int r = 0; r < rows; r++, a += row_bytes, to += step) {
        memset(to + k * elem_bytes, 0, (size_t)(step - k * elem_bytes));
        if (a_k == 1)
            memcpy(to, a, (size_t)(k * elem_bytes));
        else if (elem_bytes == 1)
            for (int64_t i = 0; i < k; i++)
                to[i] = a[i * a_k];
        else
            for (int64_t i = 0; i < k; i++)
                memcpy(to + 2 * i, a + 2 * i * a_k, 2);
    }
}

#endif
