/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on OpenCL's wide vectors, a B of bf16, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#define MATMUL_B            TN_BF16
#define MATMUL_TOKEN        "bf16"
#define MATMUL_ELEM         uint16_t
#define MATMUL_LOAD         vf_load_bf16
#define MATMUL_ROWS         14
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_bf16_wide16_14x32_canonical
#define MATMUL_NAME         "matmul_bf16_wide16_14x32_canonical"
#define MATMUL_ISA          TN_K_ISA_WIDE16
#define MATMUL_FLOPS_PER_NS 150.0
#include <kernels/matmul/matmul_core.inc>
