/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution on OpenCL's wide vectors, packed filters, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#include <kernels/common/simd_wide16.h>

#define CONV_ROWS         12
#define CONV_CANONICAL    1
#define CONV_VARIANT      tn_k_conv_wide16_12x32_canonical
#define CONV_NAME         "conv_wide16_12x32_canonical"
#define CONV_ISA          TN_K_ISA_WIDE16
#define CONV_FLOPS_PER_NS 170.0
#include <kernels/conv/conv_core.inc>
