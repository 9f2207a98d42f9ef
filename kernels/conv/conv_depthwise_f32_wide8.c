/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution on OpenCL's vectors of 8, in the CANONICAL order. */
#include <kernels/common/kernel_opencl.h>
#define VF_WIDE 8
#include <kernels/common/simd_wide.inc>

#define CONV_VARIANT      tn_k_conv_depthwise_f32_wide8
#define CONV_NAME         "conv_depthwise_f32_wide8"
#define CONV_ISA          TN_K_ISA_WIDE8
#define CONV_FLOPS_PER_NS 40.0
#include <kernels/conv/conv_depthwise.inc>
