/* SPDX-License-Identifier: Apache-2.0 */
/* Few-row matmul on NEON that reads an unpacked B once, in the CANONICAL order. */
#include <kernels/common/simd_neon.h>

#define MATMUL_B       TN_F32
#define MATMUL_TOKEN   "f32"
#define MATMUL_ELEM    float
#define MATMUL_LOAD    vf_load
#define MATMUL_VARIANT tn_k_matmul_f32_neon_gemv
#define MATMUL_NAME    "matmul_f32_neon_gemv"
#define MATMUL_ISA     TN_K_ISA_NEON
#include <kernels/matmul/matmul_gemv.inc>
