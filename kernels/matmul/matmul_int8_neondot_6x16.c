/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8 on NEON with dot products of bytes, 6x16 tiles. */
#include <kernels/common/simd_int8_neon.h>

#define UNIT_ROWS       6
#define UNIT_VARIANT    tn_k_matmul_int8_neondot_6x16
#define UNIT_NAME       "matmul_int8_neondot_6x16"
#define UNIT_ISA        TN_K_ISA_NEON_DOT
#define UNIT_LAYOUT     "matmul_int8_panels_16x4"
#define UNIT_OPS_PER_NS 320.0
#include <kernels/matmul/matmul_unit_core.inc>
