/* SPDX-License-Identifier: Apache-2.0 */
/* Square blocks of 1-, 2-, 4- and 8-byte elements turned in 16-byte registers: as many rounds of
 * interleaving a row with the one half the block below as the side has bits. GCC and clang vectors,
 * so every ISA has them. */
#ifndef TN_KERNELS_SIMD_TURN_H
#define TN_KERNELS_SIMD_TURN_H

#include <stdint.h>
#include <string.h>

typedef uint8_t tn_k_turn1 __attribute__((vector_size(16)));
typedef uint16_t tn_k_turn2 __attribute__((vector_size(16)));
typedef uint32_t tn_k_turn4 __attribute__((vector_size(16)));
typedef uint64_t tn_k_turn8 __attribute__((vector_size(16)));

#define TN_K_TURN_ROUND(low, high)                                                                 \
    for (int i = 0; i < SIDE / 2; i++) {                                                           \
        next[2 * i] = low;                                                                         \
        next[2 * i + 1] = high;                                                                    \
    }                                                                                              \
    memcpy(row, next, sizeof row)

/* out[r][c] = a[c][r] for a block of SIDE by SIDE; strides in elements. */
#define TN_K_TURN(name, vector, side, low, high)                                                   \
    static inline __attribute__((always_inline)) void name(                                        \
        const unsigned char *a, int64_t a_stride, unsigned char *out, int64_t out_stride)          \
    {                                                                                              \
        enum { SIDE = side };                                                                      \
        vector row[SIDE], next[SIDE];                                                              \
        for (int i = 0; i < SIDE; i++)                                                             \
            memcpy(&row[i], a + i * a_stride * (int64_t)(16 / SIDE), 16);                          \
        for (int n = SIDE; n > 1; n /= 2) {                                                        \
            TN_K_TURN_ROUND(low, high);                                                            \
        }                                                                                          \
        for (int i = 0; i < SIDE; i++)                                                             \
            memcpy(out + i * out_stride * (int64_t)(16 / SIDE), &row[i], 16);                      \
    }

TN_K_TURN(tn_k_turn_8, tn_k_turn8, 2, __builtin_shufflevector(row[i], row[i + 1], 0, 2),
          __builtin_shufflevector(row[i], row[i + 1], 1, 3))
TN_K_TURN(tn_k_turn_4, tn_k_turn4, 4, __builtin_shufflevector(row[i], row[i + 2], 0, 4, 1, 5),
          __builtin_shufflevector(row[i], row[i + 2], 2, 6, 3, 7))
TN_K_TURN(tn_k_turn_2, tn_k_turn2, 8,
          __builtin_shufflevector(row[i], row[i + 4], 0, 8, 1, 9, 2, 10, 3, 11),
          __builtin_shufflevector(row[i], row[i + 4], 4, 12, 5, 13, 6, 14, 7, 15))
TN_K_TURN(tn_k_turn_1, tn_k_turn1, 16,
          __builtin_shufflevector(row[i], row[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                  22, 7, 23),
          __builtin_shufflevector(row[i], row[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                  14, 30, 15, 31))

#endif
