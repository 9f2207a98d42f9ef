/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of bf16 by pairs on AMX, 32x32 blocks: sums in f32, subnormals are zeros. */
#include <kernels/common/simd_pairs_bf16.h>
#include <tenon/base.h>

#include <kernels/common/simd_tiles_amx.h>

#define UNIT_PAIRS      1
#define UNIT_TILES      1
#define UNIT_ROWS       TILES_ROWS
#define UNIT_STEPS      TILES_UNITS
#define UNIT_VARIANT    tn_k_matmul_bf16_amx_32x32
#define UNIT_NAME       "matmul_bf16_amx_32x32"
#define UNIT_ISA        (TN_K_ISA_AMX | TN_K_ISA_AVX512BF16)
#define UNIT_LAYOUT     "matmul_bf16_panels_32x2x16"
#define UNIT_OPS_PER_NS 1600.0
#include <kernels/matmul/matmul_unit_core.inc>
