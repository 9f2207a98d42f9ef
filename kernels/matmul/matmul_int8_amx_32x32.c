/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8 on AMX, 32x32 blocks. */
#include <kernels/common/simd_int8_vnni.h>
#include <tenon/base.h>

#include <kernels/common/simd_tiles_amx.h>

#define UNIT_TILES      1
#define UNIT_ROWS       TILES_ROWS
#define UNIT_STEPS      TILES_UNITS
#define UNIT_VARIANT    tn_k_matmul_int8_amx_32x32
#define UNIT_NAME       "matmul_int8_amx_32x32"
#define UNIT_ISA        (TN_K_ISA_AMX | TN_K_ISA_AVX512BF16)
#define UNIT_LAYOUT     "matmul_int8_panels_32x4x16"
#define UNIT_OPS_PER_NS 3000.0
#include <kernels/matmul/matmul_unit_core.inc>
