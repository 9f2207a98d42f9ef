/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of bf16, read once where it lies. */
#include <kernels/common/simd_neon.h>

#define MATMUL_B       TN_BF16
#define MATMUL_TOKEN   "bf16"
#define MATMUL_ELEM    uint16_t
#define MATMUL_LOAD    vf_load_bf16
#define MATMUL_VARIANT tn_k_matmul_bf16_neon_gemv
#define MATMUL_NAME    "matmul_bf16_neon_gemv"
#define MATMUL_ISA     TN_K_ISA_NEON
#include <kernels/matmul/matmul_gemv.inc>
