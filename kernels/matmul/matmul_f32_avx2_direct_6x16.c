/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on AVX2 with B read in place: small shapes, no packing. */
#include <kernels/common/simd_avx2.h>

#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    0
#define MATMUL_DIRECT       1
#define MATMUL_VARIANT      tn_k_matmul_f32_avx2_direct_6x16
#define MATMUL_NAME         "matmul_f32_avx2_direct_6x16"
#define MATMUL_ISA          TN_K_ISA_AVX2
#define MATMUL_FLOPS_PER_NS 88.0
#include <kernels/matmul/matmul_core.inc>
