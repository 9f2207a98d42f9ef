/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on OpenCL's vectors of 8, packed B, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_f32_wide8_6x16_canonical
#define MATMUL_NAME         "matmul_f32_wide8_6x16_canonical"
#define MATMUL_ISA          TN_K_ISA_WIDE8
#define MATMUL_FLOPS_PER_NS 88.0
#include <kernels/matmul/matmul_core.inc>
