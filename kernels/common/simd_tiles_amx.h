/* SPDX-License-Identifier: Apache-2.0 */
/* Intel AMX: a block of 32 rows by 32 columns in tiles 0 to 3, whose operands are read as units of
 * 4 bytes: two bf16 with sums in f32, or four bytes with sums in s32. The compiler's macros do not
 * say that they touch memory, so each function keeps other accesses on their side of it. */
#ifndef TN_KERNELS_SIMD_TILES_AMX_H
#define TN_KERNELS_SIMD_TILES_AMX_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

/* Rows and columns of a block, units along k in a step. */
enum { TILES_ROWS = 32, TILES_COLS = 32, TILES_UNITS = 16 };
typedef enum tiles_kind { TILES_BF16, TILES_S8S8, TILES_U8S8 } tiles_kind;

/* Every tile has 16 rows of 64 bytes. */
static inline void tiles_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } TN_ALIGNED(64) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
}

static inline void tiles_end(void)
{
    _tile_release();
}

/* tile c of {0, 2} and the one beside it += A's tile by both of B's */
static inline __attribute__((always_inline)) void tiles_dot(tiles_kind kind, int c)
{
    switch (kind * 4 + c) {
    case TILES_BF16 * 4:
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        break;
    case TILES_BF16 * 4 + 2:
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        break;
    case TILES_S8S8 * 4:
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        break;
    case TILES_S8S8 * 4 + 2:
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
        break;
    case TILES_U8S8 * 4:
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        break;
    default:
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
        break;
    }
}

/* One step: 16 units along k of the rows of a, a_step bytes apart, and [16][32] units of b. */
static inline __attribute__((always_inline)) void
tiles_step(tiles_kind kind, bool both, const char *a, int64_t a_step, const int8_t *b)
{
    _tile_loadd(4, a, a_step);
    _tile_loadd(6, b, 2 * 64);
    _tile_loadd(7, b + 64, 2 * 64);
    tiles_dot(kind, 0);
    if (both) {
        _tile_loadd(5, a + 16 * a_step, a_step);
        tiles_dot(kind, 2);
    }
}

/* Finished sums [rows][32] on their way out: rows of 32 words, or of 32 bf16 made of f32. */
typedef struct tiles_drain {
    const char *from; /* 128 bytes a row */
    char *to;
    int64_t to_step;
    int rows, at; /* at: rows gone */
    bool half;
} tiles_drain;

static inline void tiles_drain_rows(tiles_drain *d, int count)
{
    for (; count > 0 && d->at < d->rows; count--, d->at++) {
        const char *from = d->from + 128 * d->at;
        char *to = d->to + d->to_step * d->at;
        __m512 x = _mm512_load_ps(from), y = _mm512_load_ps(from + 64);
        if (d->half) {
            _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(y, x));
        } else {
            _mm512_storeu_ps(to, x);
            _mm512_storeu_ps(to + 64, y);
        }
    }
}

/* Lines that will be written, for their misses not to hold up the tiles behind them. */
typedef struct tiles_fetch {
    const char *to;
    int64_t to_step;
    int rows, row_bytes; /* rows 0: they need no fetching */
} tiles_fetch;

/* to [32 or 16][32] = A B; the last step's a lies apart, 64 bytes a row, where it is short. Between
 * the steps go the sums of the block before, and lines to be written are fetched. */
static inline __attribute__((always_inline)) void
tiles_block(tiles_kind kind, bool both, int64_t steps, const char *a, int64_t a_step,
            const char *a_last, const int8_t *b, char *to, int64_t to_step, tiles_drain *before,
            const tiles_fetch *fetch)
{
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    int64_t whole = a_last != NULL ? steps - 1 : steps;
    int each = (int)((TILES_ROWS + steps - 1) / (steps > 0 ? steps : 1)), fetched = 0;
    for (int64_t s = 0; s < whole; s++) {
        tiles_step(kind, both, a + 64 * s, a_step, b + 2048 * s);
        if (fetched < fetch->rows)
            for (int e = 0; e < each; e++, fetched++)
                for (int at = 0; at < fetch->row_bytes; at += 64)
                    __builtin_prefetch(fetch->to + fetch->to_step * fetched + at, 1);
        if (before->at < before->rows)
            tiles_drain_rows(before, each);
    }
    if (a_last != NULL)
        tiles_step(kind, both, a_last, 64, b + 2048 * whole);
    tiles_drain_rows(before, TILES_ROWS);
    _tile_stored(0, to, to_step);
    _tile_stored(1, to + 64, to_step);
    if (both) {
        _tile_stored(2, to + 16 * to_step, to_step);
        _tile_stored(3, to + 16 * to_step + 64, to_step);
    }
    __asm__ volatile("" ::: "memory");
}

#endif
