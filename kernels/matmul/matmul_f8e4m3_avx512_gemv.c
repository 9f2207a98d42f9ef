/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of f8e4m3, read once where it lies. */
#include <kernels/common/simd_avx512.h>

#define MATMUL_ROWS_OF_B
#define MATMUL_B       TN_F8E4M3
#define MATMUL_TOKEN   "f8e4m3"
#define MATMUL_ELEM    uint8_t
#define MATMUL_LOAD    vf_load_f8e4m3
#define MATMUL_VARIANT tn_k_matmul_f8e4m3_avx512_gemv
#define MATMUL_NAME    "matmul_f8e4m3_avx512_gemv"
#define MATMUL_ISA     TN_K_ISA_AVX512
#include <kernels/matmul/matmul_gemv.inc>
