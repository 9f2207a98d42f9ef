/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of few rows of floats with weights in blocks on AVX2, read once at the speed of memory. */
#include <kernels/common/simd_avx2.h>

#define MATMUL_VARIANT tn_k_matmul_block_dot_avx2
#define MATMUL_NAME    "matmul_block_dot_avx2"
#define MATMUL_ISA     TN_K_ISA_AVX2
#include <kernels/matmul/matmul_block_dot.inc>
