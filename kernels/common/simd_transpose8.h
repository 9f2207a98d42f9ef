/* SPDX-License-Identifier: Apache-2.0 */
/* An 8 x 8 block of floats turned in registers: GCC and clang vectors, so every ISA has it; NEON in
 * its own words, since the compiler takes 32-byte vectors apart element by element there. */
#ifndef TN_KERNELS_SIMD_TRANSPOSE8_H
#define TN_KERNELS_SIMD_TRANSPOSE8_H

#ifdef __ARM_NEON
#include <arm_neon.h>

typedef struct tn_k_f8 {
    float32x4_t part[2];
} tn_k_f8;

static inline __attribute__((always_inline)) void tn_k_transpose8(tn_k_f8 r[8])
{
    float32x4_t t[2][2][4]; /* [rows][columns] in blocks of 4 x 4, each turned */
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            float64x2_t a[4];
#pragma GCC unroll 2
            for (int j = 0; j < 2; j++) {
                float32x4_t x = r[4 * i + 2 * j].part[h], y = r[4 * i + 2 * j + 1].part[h];
                a[j] = vreinterpretq_f64_f32(vtrn1q_f32(x, y));
                a[2 + j] = vreinterpretq_f64_f32(vtrn2q_f32(x, y));
            }
            t[i][h][0] = vreinterpretq_f32_f64(vtrn1q_f64(a[0], a[1]));
            t[i][h][1] = vreinterpretq_f32_f64(vtrn1q_f64(a[2], a[3]));
            t[i][h][2] = vreinterpretq_f32_f64(vtrn2q_f64(a[0], a[1]));
            t[i][h][3] = vreinterpretq_f32_f64(vtrn2q_f64(a[2], a[3]));
        }
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        r[c].part[0] = t[0][c / 4][c % 4];
        r[c].part[1] = t[1][c / 4][c % 4];
    }
}
#else
typedef float tn_k_f8 __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) void tn_k_transpose8(tn_k_f8 r[8])
{
    tn_k_f8 a[8], c[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        c[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        c[i + 1] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        c[i + 2] = __builtin_shufflevector(a[i + 1], a[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        c[i + 3] = __builtin_shufflevector(a[i + 1], a[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = __builtin_shufflevector(c[i], c[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(c[i], c[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
#endif

#endif
