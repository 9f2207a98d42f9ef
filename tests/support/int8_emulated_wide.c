/* SPDX-License-Identifier: Apache-2.0 */
/* The int8 tile core over a 512-bit vpmaddwd in plain C, for test_k_matmul_int. */
#define TN_INT8_EMULATED_DEPTH 2
#include <kernels/common/simd_int8_emulated.h>

#define INT_ROWS       14
#define INT_VARIANT    tn_t_int8_wide
#define INT_NAME       "emulated_int8_wide"
#define INT_ISA        TN_K_ISA_BASELINE
#define INT_LAYOUT     "matmul_int8_panels_32x2"
#define INT_OPS_PER_NS 200.0
#include <kernels/matmul/matmul_int_core.inc>
