/* SPDX-License-Identifier: Apache-2.0 */
/* The int8 tile core over vpdpbusd in plain C, for test_k_matmul_int. */
#include <kernels/common/simd_int8_emulated.h>

#define INT_ROWS       14
#define INT_VARIANT    tn_t_int8_vnni
#define INT_NAME       "emulated_int8_vnni"
#define INT_ISA        TN_K_ISA_BASELINE
#define INT_LAYOUT     "matmul_int8_panels_32x4"
#define INT_OPS_PER_NS 400.0
#include <kernels/matmul/matmul_int_core.inc>
