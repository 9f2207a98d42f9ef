/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of bf16, read once where it lies. */
#include <kernels/common/simd_avx512.h>

#define MATMUL_ROWS_OF_B
#define MATMUL_B       TN_BF16
#define MATMUL_TOKEN   "bf16"
#define MATMUL_ELEM    uint16_t
#define MATMUL_LOAD    vf_load_bf16
#define MATMUL_VARIANT tn_k_matmul_bf16_avx512_gemv
#define MATMUL_NAME    "matmul_bf16_avx512_gemv"
#define MATMUL_ISA     TN_K_ISA_AVX512
#include <kernels/matmul/matmul_gemv.inc>
