/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8 on AVX2, 6x16 tiles. */
#include <kernels/common/simd_int8_avx2.h>

#define UNIT_ROWS       6
#define UNIT_VARIANT    tn_k_matmul_int8_avx2_6x16
#define UNIT_NAME       "matmul_int8_avx2_6x16"
#define UNIT_ISA        TN_K_ISA_AVX2
#define UNIT_LAYOUT     "matmul_int8_panels_16x2"
#define UNIT_OPS_PER_NS 200.0
#include <kernels/matmul/matmul_unit_core.inc>
