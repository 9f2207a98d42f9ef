/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul with a B of f8e5m2 on NEON: widened exactly, chunks of 128 in the CANONICAL order. */
#include <kernels/common/simd_neon.h>

#define MATMUL_B            TN_F8E5M2
#define MATMUL_TOKEN        "f8e5m2"
#define MATMUL_ELEM         uint8_t
#define MATMUL_LOAD         vf_load_f8e5m2
#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_f8e5m2_neon_6x16_canonical
#define MATMUL_NAME         "matmul_f8e5m2_neon_6x16_canonical"
#define MATMUL_ISA          TN_K_ISA_NEON
#define MATMUL_FLOPS_PER_NS 40.0
#include <kernels/matmul/matmul_core.inc>
