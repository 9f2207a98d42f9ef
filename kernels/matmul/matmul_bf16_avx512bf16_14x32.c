/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of bf16 by pairs on AVX-512 BF16, 14x32 tiles: sums in f32, subnormals are zeros. */
#include <kernels/common/simd_pairs_bf16.h>

#define UNIT_PAIRS      1
#define UNIT_ROWS       14
#define UNIT_STEPS      16
#define UNIT_VARIANT    tn_k_matmul_bf16_avx512bf16_14x32
#define UNIT_NAME       "matmul_bf16_avx512bf16_14x32"
#define UNIT_ISA        TN_K_ISA_AVX512BF16
#define UNIT_LAYOUT     "matmul_bf16_panels_32x2x16"
#define UNIT_OPS_PER_NS 440.0
#include <kernels/matmul/matmul_unit_core.inc>
