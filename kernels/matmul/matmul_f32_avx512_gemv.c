/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of f32, read once where it lies. */
#include <kernels/common/simd_avx512.h>

#define MATMUL_ROWS_OF_B
#define MATMUL_B       TN_F32
#define MATMUL_TOKEN   "f32"
#define MATMUL_ELEM    float
#define MATMUL_LOAD    vf_load
#define MATMUL_VARIANT tn_k_matmul_f32_avx512_gemv
#define MATMUL_NAME    "matmul_f32_avx512_gemv"
#define MATMUL_ISA     TN_K_ISA_AVX512
#include <kernels/matmul/matmul_gemv.inc>
