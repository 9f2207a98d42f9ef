/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of at most four rows with a B of f8e4m3, read once where it lies. */
#include <kernels/common/simd_neon.h>

#define MATMUL_B       TN_F8E4M3
#define MATMUL_TOKEN   "f8e4m3"
#define MATMUL_ELEM    uint8_t
#define MATMUL_LOAD    vf_load_f8e4m3
#define MATMUL_VARIANT tn_k_matmul_f8e4m3_neon_gemv
#define MATMUL_NAME    "matmul_f8e4m3_neon_gemv"
#define MATMUL_ISA     TN_K_ISA_NEON
#include <kernels/matmul/matmul_gemv.inc>
