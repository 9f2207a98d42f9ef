/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the engines on AVX2. */
#include <kernels/common/simd_avx2.h>
#include <kernels/systolic/systolic.h>

enum { TILE_ROWS = 6, TILE_VECTORS = 2 };
#include <kernels/systolic/systolic_tile.inc>

#define MATH_NAME tn_k_sys_math_avx2
#define MATH_ISA  TN_K_ISA_AVX2
#include <kernels/systolic/systolic_math.inc>
