/* SPDX-License-Identifier: Apache-2.0 */
/* The int8 tile core over a 512-bit vpmaddwd in plain C, for test_k_matmul_int. */
#define TN_INT8_EMULATED_DEPTH 2
#include <kernels/common/simd_int8_emulated.h>

#define UNIT_ROWS       14
#define UNIT_VARIANT    tn_t_int8_wide
#define UNIT_NAME       "emulated_int8_wide"
#define UNIT_ISA        TN_K_ISA_BASELINE
#define UNIT_LAYOUT     "matmul_int8_panels_32x2"
#define UNIT_OPS_PER_NS 200.0
#include <kernels/matmul/matmul_unit_core.inc>
