/* SPDX-License-Identifier: Apache-2.0 */
/* Few-row matmul on AVX2 that reads an unpacked B once, in the CANONICAL order. */
#include <kernels/common/simd_avx2.h>

#define MATMUL_VARIANT tn_k_matmul_f32_avx2_gemv
#define MATMUL_NAME    "matmul_f32_avx2_gemv"
#define MATMUL_ISA     TN_K_ISA_AVX2
#include <kernels/matmul/matmul_gemv.inc>
