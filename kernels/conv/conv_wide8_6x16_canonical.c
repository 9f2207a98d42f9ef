/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution on OpenCL's vectors of 8, packed filters, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#define CONV_ROWS         6
#define CONV_CANONICAL    1
#define CONV_VARIANT      tn_k_conv_wide8_6x16_canonical
#define CONV_NAME         "conv_wide8_6x16_canonical"
#define CONV_ISA          TN_K_ISA_WIDE8
#define CONV_FLOPS_PER_NS 100.0
#include <kernels/conv/conv_core.inc>
