/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on NEON, packed B, one chain over K. */
#include <kernels/common/simd_neon.h>

#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    0
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_f32_neon_6x16
#define MATMUL_NAME         "matmul_f32_neon_6x16"
#define MATMUL_ISA          TN_K_ISA_NEON
#define MATMUL_FLOPS_PER_NS 40.0
#include <kernels/matmul/matmul_core.inc>
