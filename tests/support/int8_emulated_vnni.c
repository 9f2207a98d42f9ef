/* SPDX-License-Identifier: Apache-2.0 */
/* The int8 tile core over vpdpbusd in plain C, for test_k_matmul_int. */
#include <kernels/common/simd_int8_emulated.h>

#define UNIT_ROWS       14
#define UNIT_STEPS      16
#define UNIT_VARIANT    tn_t_int8_vnni
#define UNIT_NAME       "emulated_int8_vnni"
#define UNIT_ISA        TN_K_ISA_BASELINE
#define UNIT_LAYOUT     "matmul_int8_panels_32x4x16"
#define UNIT_OPS_PER_NS 400.0
#include <kernels/matmul/matmul_unit_core.inc>
