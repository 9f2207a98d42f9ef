/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8 on AVX-512 BW, 14x32 tiles. */
#include <kernels/common/simd_int8_avx512.h>

#define UNIT_ROWS       14
#define UNIT_VARIANT    tn_k_matmul_int8_avx512_14x32
#define UNIT_NAME       "matmul_int8_avx512_14x32"
#define UNIT_ISA        TN_K_ISA_AVX512
#define UNIT_LAYOUT     "matmul_int8_panels_32x2"
#define UNIT_OPS_PER_NS 220.0
#include <kernels/matmul/matmul_unit_core.inc>
