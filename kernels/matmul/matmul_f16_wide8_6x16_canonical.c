/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul on OpenCL's vectors of 8, a B of f16, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#define MATMUL_B            TN_F16
#define MATMUL_TOKEN        "f16"
#define MATMUL_ELEM         uint16_t
#define MATMUL_LOAD         vf_load_f16
#define MATMUL_ROWS         6
#define MATMUL_CANONICAL    1
#define MATMUL_DIRECT       0
#define MATMUL_VARIANT      tn_k_matmul_f16_wide8_6x16_canonical
#define MATMUL_NAME         "matmul_f16_wide8_6x16_canonical"
#define MATMUL_ISA          TN_K_ISA_WIDE8
#define MATMUL_FLOPS_PER_NS 88.0
#include <kernels/matmul/matmul_core.inc>
