/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8 on NEON, bytes widened to 16 bits, 6x16 tiles. */
#include <kernels/common/simd_int8_neon.h>

#define UNIT_ROWS       6
#define UNIT_VARIANT    tn_k_matmul_int8_neon_6x16
#define UNIT_NAME       "matmul_int8_neon_6x16"
#define UNIT_ISA        TN_K_ISA_NEON
#define UNIT_LAYOUT     "matmul_int8_panels_16x2"
#define UNIT_OPS_PER_NS 60.0
#include <kernels/matmul/matmul_unit_core.inc>
