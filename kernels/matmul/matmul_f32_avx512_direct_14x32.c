/* SPDX-License-Identifier: Apache-2.0 */
/* Small matmul on AVX-512, B in place, one chain over K. */
#include <kernels/common/simd_avx512.h>

#define MATMUL_ROWS         14
#define MATMUL_CANONICAL    0
#define MATMUL_DIRECT       1
#define MATMUL_VARIANT      tn_k_matmul_f32_avx512_direct_14x32
#define MATMUL_NAME         "matmul_f32_avx512_direct_14x32"
#define MATMUL_ISA          TN_K_ISA_AVX512
#define MATMUL_FLOPS_PER_NS 180.0
#include <kernels/matmul/matmul_core.inc>
