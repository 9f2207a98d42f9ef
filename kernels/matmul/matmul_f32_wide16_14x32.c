/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on OpenCL's wide vectors, packed B, one chain over K. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#define MATMUL_ROWS         14
#define MATMUL_CANONICAL    0
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_f32_wide16_14x32
#define MATMUL_NAME         "matmul_f32_wide16_14x32"
#define MATMUL_ISA          TN_K_ISA_WIDE16
#define MATMUL_FLOPS_PER_NS 170.0
#include <kernels/matmul/matmul_core.inc>
