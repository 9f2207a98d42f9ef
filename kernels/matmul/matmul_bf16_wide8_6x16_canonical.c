/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on OpenCL's vectors of 8, a B of bf16, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#define MATMUL_B            TN_BF16
#define MATMUL_TOKEN        "bf16"
#define MATMUL_ELEM         uint16_t
#define MATMUL_LOAD         vf_load_bf16
#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_bf16_wide8_6x16_canonical
#define MATMUL_NAME         "matmul_bf16_wide8_6x16_canonical"
#define MATMUL_ISA          TN_K_ISA_WIDE8
#define MATMUL_FLOPS_PER_NS 88.0
#include <kernels/matmul/matmul_core.inc>
